/**
 * A worker that puts a load on the server: clients that each exchange a message
 * for a reply again and again. No more than 100 of them to a worker: with more,
 * Deno serves some much later than others, and they would look like a slow server.
 *
 * @module
 */

import { port } from "../../socket_preview.ts";

/** What a worker is to do. */
export interface Order {
  /** The address that the server listens on. */
  hostname: string;
  /** How many clients there are at a time. */
  clients: number;
  /** How many exchanges they make, all together. */
  exchanges: number;
  /** When they give up, in milliseconds. */
  limit: number;
}

/** What came of it. */
export interface Load {
  /** How many exchanges had the right answer. */
  answers: number;
  /** How many failed, or had no answer within the limit. */
  lost: number;
  /** The time that the slowest answer took, in milliseconds. */
  slowest: number;
  /** The time that it took until all was answered or lost, in milliseconds. */
  elapsed: number;
}

const message = new TextEncoder().encode("client0");
const expected = "server got: [b'client0']";
const decoder = new TextDecoder();

self.addEventListener("message", async (event) => {
  const { hostname, clients, exchanges, limit } =
    (event as MessageEvent<Order>).data;
  const load: Load = { answers: 0, lost: 0, slowest: 0, elapsed: 0 };
  const begin = performance.now();
  let begun = 0;
  const signal = AbortSignal.timeout(limit);
  await Promise.all(Array.from({ length: clients }, async () => {
    while (begun < exchanges && !signal.aborted) {
      begun++;
      const start = performance.now();
      try {
        const reply = await exchange(hostname, signal);
        if (reply !== expected) throw new Error(`unexpected reply: ${reply}`);
        load.answers++;
        load.slowest = Math.max(load.slowest, performance.now() - start);
      } catch {
        load.lost++;
        // Where nobody listens any more, do not count that a thousand times.
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }));
  load.elapsed = performance.now() - begin;
  (self as unknown as Worker).postMessage(load);
  self.close();
});

/** Connects, sends, receives, closes: at once if the signal aborts. */
async function exchange(hostname: string, signal: AbortSignal) {
  using connection = await Deno.connect({ hostname, port, signal });
  const close = () => connection[Symbol.dispose]();
  signal.addEventListener("abort", close);
  try {
    await connection.write(message);
    const buffer = new Uint8Array(1024);
    const count = await connection.read(buffer) ?? 0;
    return decoder.decode(buffer.subarray(0, count));
  } finally {
    signal.removeEventListener("abort", close);
  }
}
