#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The server of `socket_preview.ts` as a program of its own. It answers clients
 * in other programs, in any language, until Ctrl-C. It has no control over what
 * they do, so it keeps running whatever that is.
 *
 *     deno run --allow-net=localhost:50008 server.ts
 *
 * @module
 */

import { answer, host, port } from "./socket_preview.ts";

const usage = `Usage: server.ts [-h | --help]
Answers everyone who connects to ${host}:${port}, until Ctrl-C.`;

/** Accepts clients and has them answered, for as long as the program runs. */
async function serve(listener: Deno.TcpListener): Promise<never> {
  while (true) {
    try {
      const connection = await listener.accept();
      answerOne(connection); // not awaited: a slow client keeps nobody waiting
    } catch (error) {
      await recover(error as Error);
    }
  }
}

/** The connections that are being answered, the oldest first. */
const open = new Set<Deno.TcpConn>();

/** Answers one client. Prints what goes wrong, and never rejects. */
async function answerOne(connection: Deno.TcpConn): Promise<void> {
  open.add(connection);
  try {
    await answer(connection); // closes the connection, too
  } catch (error) {
    const isClosed = !open.has(connection); // by closeOldest()
    const problem = isClosed ? "closed to make room" : (error as Error).message;
    report(addressOf(connection.remoteAddr), problem);
  }
  open.delete(connection);
}

/** Waits until it makes sense to call accept again, after it failed. */
async function recover(error: Error & { code?: string }): Promise<void> {
  report("accept", error.message);
  // On Linux, this client reset its connection before it was accepted.
  if (error instanceof Deno.errors.NotConnected) return;
  if (error.code === "EMFILE" || error.code === "ENFILE") {
    await waitForDescriptors();
  } else {
    // It may be such a client on another system, or an error that lasts. In
    // that case, the pause leaves time for everything else.
    await sleep(1);
  }
}

// A shortage is a time in which accept fails for lack of file descriptors, the
// numbers that the system gives to open files and connections. It is over when
// there has been no such failure for a second. Both times are in milliseconds.
let shortageStart = -Infinity;
let lastFailure = -Infinity;

/**
 * Waits for 12 milliseconds. In that time, clients that have sent something are
 * answered, and their connections closed. If the shortage has lasted for more
 * than a second, that is not enough, so it also closes connections itself.
 */
async function waitForDescriptors(): Promise<void> {
  const now = performance.now();
  if (now - lastFailure > 1000) shortageStart = now;
  lastFailure = now;
  await sleep(12);
  if (performance.now() - shortageStart > 1000) await closeOldest();
}

/**
 * Closes the 128 oldest connections, but at most half of all. Their clients had
 * the most time to send something, so they are the most likely to be idle.
 */
async function closeOldest(): Promise<void> {
  const count = Math.min(128, Math.floor(open.size / 2));
  for (const connection of open.values().take(count)) {
    open.delete(connection);
    connection.close();
  }
  await sleep(0); // Deno frees the file descriptors in its next event loop turn.
}

let printed = 0; // how many lines were printed in the last ten seconds

/** Prints an error in one line, but at most ten lines in any ten seconds. */
function report(place: string, problem: string): void {
  if (printed === 10) return;
  printed++;
  setTimeout(() => printed--, 10_000);
  const note = printed === 10 ? " (10 errors in 10 s: no more for now)" : "";
  try {
    console.error(`server.ts: ${place}: ${problem}${note}`);
  } catch {
    // Standard error cannot be written to, but clients can still be answered.
  }
}

/** Writes an address as `127.0.0.1:50008` or `[::1]:50008`. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const isIPv6 = hostname.includes(":");
  return isIPv6 ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Waits for a number of milliseconds. */
async function sleep(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Listens, or prints why it cannot, and exits. */
function listen(): Deno.TcpListener {
  try {
    // The backlog is how many clients may wait to be accepted. A long one keeps
    // well-behaved clients from being turned away while others flood the server.
    return Deno.listen({ hostname: host, port, tcpBacklog: 4096 });
  } catch (error) {
    fail(explain(error as Error));
  }
}

/** Says why the program cannot listen, and what to do about it. */
function explain(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    return `port ${port} is in use: stop the program that uses it, or wait a ` +
      "minute if it has just stopped";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `the system does not allow the use of port ${port}: on Windows, ` +
      "run netsh interface ipv4 show excludedportrange tcp to see if it is reserved";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `no permission to listen: add --allow-net=${host}:${port}`;
  }
  return `cannot listen on ${host}:${port}: ${error.message}`;
}

/** Prints a problem in one line, and exits. */
function fail(problem: string): never {
  console.error(`server.ts: ${problem}`);
  Deno.exit(1);
}

if (Deno.args.length === 0) {
  const listener = listen();
  try {
    // If localhost is [::1] here, clients that use 127.0.0.1 cannot connect.
    const address = addressOf(listener.addr);
    console.log(`server listening on ${host}:${port} (${address})`);
  } catch (error) {
    fail(`cannot print: ${(error as Error).message}`);
  }
  await serve(listener);
} else if (Deno.args.length === 1 && /^(-h|--help)$/.test(Deno.args[0])) {
  console.log(usage);
} else {
  console.error(`server.ts: takes no arguments\n${usage}`);
  Deno.exit(2);
}
