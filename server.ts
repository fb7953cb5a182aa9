#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The server of `socket_preview.ts` as a program of its own. It answers clients
 * in other programs, in whatever language they are, until Ctrl-C. As these are
 * strangers, it goes on whatever they do.
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
let graceStart = lastFailure; // when it failed after a quiet second
let printed = 0; // how many failures, in the last ten seconds

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

/** Listens, and says where, or ends the program with what prevents it. */
function listen(): Deno.Listener {
  try {
    const listener = Deno.listen({ hostname: host, port });
    // The address as well: where localhost is [::1], no IPv4 client gets in.
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
    const problem = known[name] ?? `no start on ${host}:${port}: ${message}`;
    console.error(`server.ts: ${problem}`);
    Deno.exit(1);
  }
}

/**
 * Waits for file descriptors after an accept that failed: 25 milliseconds, in
 * which whoever has sent something is answered. For a second that is all. Then
 * the 128 connections that came first, and still say nothing, are let go.
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

/** Closes a connection, once: it may be answered when it has been let go. */
function close(connection: Deno.Conn): void {
  if (open.delete(connection)) connection.close();
}

/** Prints a failure in a line, but no more than ten in any ten seconds. */
function report(place: string, error: unknown): void {
  if (printed === 10) return;
  printed++;
  setTimeout(() => printed--, 10_000);
  const more = printed === 10 ? " (10 in 10 s: no more for now)" : "";
  const isLetGo = error instanceof Deno.errors.Interrupted; // while it was read
  const problem = isLetGo ? "let go to make room" : (error as Error).message;
  try {
    console.error(`server.ts: ${place}: ${problem}${more}`);
  } catch {
    // Standard error cannot be written, which is no reason to stop serving.
  }
}

/** Writes an address as `127.0.0.1:50008` or `[::1]:50008`. */
function addressOf(address: Deno.Addr): string {
  const { hostname, port } = address as Deno.NetAddr;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
