#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The server of `socket_preview.ts` as a program of its own. It answers clients
 * in other programs, in any language, until Ctrl-C. It does not control those
 * programs, so it keeps running whatever they do.
 *
 *     deno run --allow-net=localhost:50008 server.ts
 *
 * @module
 */

import { answer, host, port } from "./socket_preview.ts";

const usage = `Usage: server.ts [-h | --help]
Answers every client that connects to ${host}:${port}, until Ctrl-C.`;

/** Accepts clients and starts answering them, until the program is stopped. */
async function serve(listener: Deno.TcpListener): Promise<never> {
  while (true) {
    try {
      const connection = await listener.accept();
      answerOne(connection); // not awaited, so that a slow client delays nobody
    } catch (error) {
      await recover(error as Error);
    }
  }
}

/** The connections that are open, oldest first. */
const openConnections = new Set<Deno.TcpConn>();

/** Answers one client. Prints what goes wrong, and never rejects. */
async function answerOne(connection: Deno.TcpConn): Promise<void> {
  openConnections.add(connection);
  try {
    await answer(connection); // also closes the connection, even if it fails
  } catch (error) {
    const address = addressOf(connection.remoteAddr);
    // If it is no longer in the set, closeOldest() has closed it.
    if (openConnections.has(connection)) report(address, error as Error);
    else report(address, new Error("closed to make room for other clients"));
  }
  openConnections.delete(connection);
}

/** Reports why accept failed, and waits until it makes sense to try again. */
async function recover(error: Error & { code?: string }): Promise<void> {
  // The process (EMFILE) or the system (ENFILE) is out of file descriptors, the
  // numbers that stand for open files and connections.
  if (error.code === "EMFILE" || error.code === "ENFILE") {
    await waitForFileDescriptors(error);
    return;
  }
  report("accept", error);
  // On Linux: the client reset its connection before it was accepted.
  if (error instanceof Deno.errors.NotConnected) return;
  // Other systems report such a client differently, and unknown errors may
  // persist. So pause, to keep the loop from hogging the processor.
  await sleep(1);
}

// A shortage begins when accept fails for lack of file descriptors, and ends
// after a second without such a failure.
let shortageStart = -Infinity; // milliseconds
let lastFailure = -Infinity; // milliseconds

/**
 * Waits for 12 milliseconds, so that clients that have sent something can be
 * answered, which frees file descriptors. If the shortage has lasted for more
 * than a second, it also closes the oldest connections.
 */
async function waitForFileDescriptors(error: Error): Promise<void> {
  const now = performance.now();
  if (now - lastFailure > 1000) {
    shortageStart = now;
    report("accept", error); // once for each shortage
  }
  lastFailure = now;
  await sleep(12);
  if (performance.now() - shortageStart > 1000) await closeOldest();
}

/**
 * Closes the 128 oldest connections, or the older half if that is fewer. Their
 * clients have had the most time to send something, so they are probably idle.
 */
async function closeOldest(): Promise<void> {
  const count = Math.min(128, Math.floor(openConnections.size / 2));
  for (const connection of openConnections.values().take(count)) {
    openConnections.delete(connection);
    connection.close();
  }
  // Deno frees their file descriptors in the next turn of its event loop.
  await sleep(0);
}

let printed = 0; // how many lines report() printed in the last ten seconds

/** Prints an error on one line, but at most ten lines in any ten seconds. */
function report(place: string, error: Error): void {
  if (printed === 10) return;
  printed++;
  setTimeout(() => printed--, 10_000);
  const note = printed === 10
    ? " (at most 10 errors are shown in any 10 s)"
    : "";
  try {
    console.error(`server.ts: ${place}: ${error.message}${note}`);
  } catch {
    // Standard error cannot be written to, but clients can still be answered.
  }
}

/** Formats an address as `127.0.0.1:50008` or `[::1]:50008`. */
function addressOf({ hostname, port }: Deno.NetAddr): string {
  const isIPv6 = hostname.includes(":");
  return isIPv6 ? `[${hostname}]:${port}` : `${hostname}:${port}`;
}

/** Waits for a number of milliseconds. */
function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Listens. If it cannot, prints why, and exits. */
function listen(): Deno.TcpListener {
  try {
    // The backlog is how many clients may wait to be accepted (the system may
    // allow fewer). Beyond that, Linux retries for a client after a second.
    return Deno.listen({ hostname: host, port, tcpBacklog: 4096 });
  } catch (error) {
    fail(explain(error as Error));
  }
}

/** Says why the program cannot listen and, if known, what to do about it. */
function explain(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    // On Linux, a port stays in use for a minute after a server that does not
    // set SO_REUSEADDR, such as the Python original, has stopped.
    return `port ${port} is in use: stop the program that uses it, or, if it ` +
      "has just stopped, wait a minute";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `the system reserves port ${port}: to see its reserved ports on ` +
      "Windows, run netsh interface ipv4 show excludedportrange tcp";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `no permission to listen: add --allow-net=${host}:${port}`;
  }
  return `cannot listen on ${host}:${port}: ${error.message}`;
}

/** Prints a problem on one line, and exits. */
function fail(problem: string): never {
  console.error(`server.ts: ${problem}`);
  Deno.exit(1);
}

// The main program. It comes last, since the variables above have to be set
// before the functions use them.
if (Deno.args.length === 0) {
  const listener = listen();
  // Shows whether localhost means 127.0.0.1 or [::1] here. A client that uses
  // the other one cannot connect.
  const address = addressOf(listener.addr);
  try {
    console.log(`server listening on ${host}:${port} (${address})`);
  } catch (error) {
    fail(`cannot print: ${(error as Error).message}`);
  }
  await serve(listener);
} else if (Deno.args.length === 1 && ["-h", "--help"].includes(Deno.args[0])) {
  console.log(usage);
} else {
  const given = Deno.inspect(Deno.args.join(" "));
  console.error(`server.ts: the only option is --help, not ${given}\n${usage}`);
  Deno.exit(2);
}
