/**
 * Puts a load on the server: clients that each exchange a message for a reply,
 * again and again. They are in workers of at most 100, this file itself: with
 * more, Deno serves some much later, and they would look like a slow server.
 *
 * @module
 */

const port = 50008;
const message = new TextEncoder().encode("client0");
const expected = "server got: [b'client0']";

/** What a worker is to do: how many clients, how many exchanges by all of them. */
interface Order {
  hostname: string;
  clients: number;
  exchanges: number;
}

/** How many were answered and lost, and the times, in milliseconds. */
export interface Load {
  answers: number;
  lost: number;
  slowest: number;
  elapsed: number;
}

/** Has clients make exchanges, all together, for 8000 milliseconds at most. */
export async function applyLoad(
  clients: number,
  exchanges: number,
): Promise<Load> {
  const first = await Deno.connect({ hostname: "localhost", port });
  const { hostname } = first.remoteAddr; // a look-up each time takes the longest
  first.close();
  const workers = Math.ceil(clients / 100);
  const order = {
    hostname,
    clients: clients / workers,
    exchanges: exchanges / workers,
  };
  const loads = await Promise.all(
    Array.from({ length: workers }, () => work(order)),
  );
  return {
    answers: loads.reduce((sum, load) => sum + load.answers, 0),
    lost: loads.reduce((sum, load) => sum + load.lost, 0),
    slowest: Math.max(...loads.map((load) => load.slowest)),
    elapsed: Math.max(...loads.map((load) => load.elapsed)),
  };
}

function work(order: Order): Promise<Load> {
  const worker = new Worker(import.meta.url, { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(order);
  });
}

self.addEventListener("message", async (event) => {
  const load = await carryOut((event as MessageEvent<Order>).data);
  (self as unknown as Worker).postMessage(load);
  self.close();
});

async function carryOut(
  { hostname, clients, exchanges }: Order,
): Promise<Load> {
  const load: Load = { answers: 0, lost: 0, slowest: 0, elapsed: 0 };
  const begin = performance.now();
  const signal = AbortSignal.timeout(8000);
  let begun = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    while (begun < exchanges && !signal.aborted) {
      begun++;
      const start = performance.now();
      const reply = await exchange(hostname, signal).catch(() => "");
      load.slowest = Math.max(load.slowest, performance.now() - start);
      if (reply === expected) load.answers++;
      else load.lost++;
    }
  }));
  load.elapsed = performance.now() - begin;
  return load;
}

/** Connects, sends, receives, closes: at once if the signal aborts. */
async function exchange(
  hostname: string,
  signal: AbortSignal,
): Promise<string> {
  using connection = await Deno.connect({ hostname, port, signal });
  const close = () => connection[Symbol.dispose]();
  signal.addEventListener("abort", close);
  await connection.write(message);
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer) ?? 0;
  signal.removeEventListener("abort", close);
  return new TextDecoder().decode(buffer.subarray(0, count));
}
