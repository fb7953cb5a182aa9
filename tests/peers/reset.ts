/**
 * A client that resets its connection. Run by itself, it does so once the server
 * has accepted it.
 *
 *     deno run --allow-net=localhost:50008 tests/peers/reset.ts
 */

import { once } from "node:events";
import { connect } from "node:net"; // Deno.connect cannot reset

/** Connects, waits for something, and resets the connection. */
export async function reset(wait: () => Promise<unknown> = async () => {}) {
  const signal = AbortSignal.timeout(30_000); // for tests, which must end
  const open = async (family: number) => {
    const socket = connect({ host: "localhost", port: 50008, family });
    await once(socket, "connect", { signal });
    return socket;
  };
  const socket = await open(6).catch(() => open(4));
  const closed = once(socket, "close", { signal }); // the server may close first
  await wait();
  socket.resetAndDestroy();
  await closed;
}

/**
 * Waits until another client is answered, so the first must have been accepted.
 * A server that takes one client at a time does not answer: wait for 1000 ms.
 */
export async function untilAccepted() {
  using conn = await Deno.connect({ hostname: "localhost", port: 50008 });
  await conn.write(new TextEncoder().encode("second"));
  const timer = setTimeout(() => conn[Symbol.dispose](), 1000);
  await conn.read(new Uint8Array(1024)).catch(() => {});
  clearTimeout(timer);
}

if (import.meta.main) {
  try {
    await reset(untilAccepted);
    console.log("reset.ts: the connection is reset");
  } catch (error) {
    console.error(`reset.ts: ${(error as Error).message}`);
    Deno.exitCode = 1;
  }
}
