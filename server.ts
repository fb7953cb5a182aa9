#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The server of `socket_preview.ts` as a program of its own. Until Ctrl-C, it
 * answers clients in other programs, in any language. They are strangers to it,
 * so nothing that they do may end it.
 *
 *     deno run --allow-net=localhost:50008 server.ts
 *
 * @module
 */

import { answer, host, port } from "./socket_preview.ts";

const usage = `Usage: server.ts [-h | --help]
Answers everyone who connects to ${host}:${port}, until Ctrl-C.`;

if (Deno.args.length > 0) {
  const isHelp = ["-h", "--help"].includes(Deno.args.join());
  if (isHelp) console.log(usage);
  else console.error(usage);
  Deno.exit(isHelp ? 0 : 2);
}

const grace = 1000; // how long everyone is waited for, in milliseconds
const open = new Set<Deno.Conn>(); // the connections, the oldest first
let lastFailure = -Infinity; // when accept failed last, in milliseconds
let graceStart = lastFailure; // when the first of its failures in a row came
let printed = 0; // failures that were printed in the last ten seconds

const listener = listen();
while (true) {
  try {
    const connection = await listener.accept();
    open.add(connection);
    answer(connection) // not awaited: while one is slow, the others are served
      .catch((error) => report(addressOf(connection.remoteAddr), error))
      .finally(() => close(connection));
  } catch (error) {
    report("accept", error);
    // This client reset its connection before it was accepted. On to the next.
    if (error instanceof Deno.errors.NotConnected) continue;
    if (error instanceof Deno.errors.ConnectionAborted) continue;
    await makeRoom();
  }
}

/** Listens, and says where, or says why it cannot, and ends the program. */
function listen(): Deno.Listener {
  try {
    const listener = Deno.listen({ hostname: host, port });
    // Also the address: where localhost is [::1], no IPv4 client gets in.
    const address = addressOf(listener.addr);
    console.log(`server listening on ${host}:${port} (${address})`);
    return listener;
  } catch (error) {
    const { name, message } = error as Error;
    const known: Record<string, string> = {
      AddrInUse: `port ${port} is taken: stop what listens there, ` +
        "or wait a minute if it has ended",
      NotCapable: `no permission to listen: add --allow-net=${host}:${port}`,
    };
    const problem = known[name] ??
      `cannot start on ${host}:${port}: ${message}`;
    console.error(`server.ts: ${problem}`);
    Deno.exit(1);
  }
}

/**
 * Called when an accept has failed, most likely for want of descriptors. Waits
 * 25 milliseconds, in which whoever has sent something is answered. Where accept
 * has kept failing for a second, it then closes the oldest connections, up to
 * 128: they came first, and most likely say nothing.
 */
async function makeRoom(): Promise<void> {
  const now = performance.now();
  if (now - lastFailure > grace) graceStart = now;
  lastFailure = now;
  await new Promise((resolve) => setTimeout(resolve, 25));
  if (performance.now() - graceStart < grace) return;
  open.values().take(128).forEach(close);
  // Deno frees the descriptors only when the event loop has turned.
  await new Promise((resolve) => setTimeout(resolve));
}

/** Closes a connection, unless that is done: a second time would throw. */
function close(connection: Deno.Conn): void {
  if (open.delete(connection)) connection.close();
}

/** Prints a failure in a line, but no more than ten in any ten seconds. */
function report(place: string, error: unknown): void {
  if (printed === 10) return;
  printed++;
  setTimeout(() => printed--, 10_000);
  const more = printed === 10 ? " (10 in 10 s: no more for now)" : "";
  const isLetGo = error instanceof Deno.errors.Interrupted; // closed in a read
  const problem = isLetGo ? "let go to make room" : (error as Error).message;
  try {
    console.error(`server.ts: ${place}: ${problem}${more}`);
  } catch {
    // Where standard error cannot be written to, it still serves.
  }
}

/** Writes an address as `127.0.0.1:50008` or `[::1]:50008`. */
function addressOf(address: Deno.Addr): string {
  const { hostname, port } = address as Deno.NetAddr;
  return `${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}
