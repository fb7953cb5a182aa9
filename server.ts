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

// If accept fails for lack of file descriptors, clients get about a second (75
// failures) to send something. Then each failure closes the oldest connections.
// The count starts anew when most are gone, or after a second without failures.
const pause = 12; // milliseconds after each failure
const patience = 75; // failures
const maxClosed = 128; // connections at a time, or half of all if that is less
const fewLeft = 1 / 4; // of the connections at the last failure, rounded down
const quietTime = 1000; // milliseconds

/**
 * Accepts clients, and answers many at once, without end. Never rejects, but
 * passes problems to `report`, on one line each. From the script's `server()`.
 */
export async function serve(
  listener: Pick<Deno.TcpListener, "accept">,
  report: (line: string) => void = limitLines(console.error),
): Promise<never> {
  const connections = new Set<Deno.TcpConn>(); // open, oldest first
  let failures = 0; // in this shortage
  let lastFailure = -Infinity; // time in milliseconds
  let crowd = 0; // how many connections were open at the last failure
  while (true) {
    try {
      const conn = await listener.accept();
      const isQuiet = performance.now() - lastFailure > quietTime;
      const isDrained = connections.size < Math.floor(crowd * fewLeft);
      if (isQuiet || isDrained) failures = 0;
      // Not awaited, so that a slow client does not keep the others waiting.
      answerOne(conn, connections, report);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      // The process (EMFILE) or the system (ENFILE) is out of file descriptors,
      // the numbers that stand for open files and connections.
      if (code === "EMFILE" || code === "ENFILE") {
        failures++;
        if (failures === 1) report(`accept: ${message}`);
        lastFailure = performance.now();
        crowd = connections.size;
        await sleep(pause);
        if (failures > patience) await closeOldest(connections);
      } else {
        report(`accept: ${message}`);
        // On Linux, the client reset its connection before it was accepted.
        // Other systems report that differently, and unknown errors may
        // persist. So pause, to keep the loop from hogging the processor.
        const isReset = error instanceof Deno.errors.NotConnected;
        if (!isReset) await sleep(1);
      }
    }
  }
}

/** Answers one client. Reports what goes wrong, and never rejects. */
async function answerOne(
  conn: Deno.TcpConn,
  connections: Set<Deno.TcpConn>,
  report: (line: string) => void,
): Promise<void> {
  connections.add(conn);
  try {
    await answer(conn); // also closes the connection, even if it fails
  } catch (error) {
    const problem = connections.has(conn)
      ? (error as Error).message
      : "closed to make room for other clients"; // by closeOldest()
    report(`${addressOf(conn.remoteAddr)}: ${problem}`);
  }
  connections.delete(conn);
}

/** Closes the older half of the connections, but at most `maxClosed`. */
async function closeOldest(connections: Set<Deno.TcpConn>): Promise<void> {
  const count = Math.min(maxClosed, Math.ceil(connections.size / 2));
  for (const conn of connections.values().take(count)) {
    connections.delete(conn);
    conn[Symbol.dispose](); // unlike close(), it never throws
  }
  // Deno frees their file descriptors in the next turn of its event loop.
  await sleep(0);
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Returns a function that prints at most ten lines in each ten seconds. */
export function limitLines(
  print: (line: string) => void,
): (line: string) => void {
  let start = 0; // time in milliseconds
  let count = 0;
  return (line) => {
    const now = performance.now();
    if (now - start >= 10_000) {
      start = now;
      count = 0;
    }
    count++;
    if (count > 10) return;
    const note = count === 10 ? " (at most 10 errors are shown in 10 s)" : "";
    try {
      print(`server.ts: ${line}${note}`);
    } catch {
      // Nothing can be printed, but clients can still be answered.
    }
  };
}

/** Formats an address as `127.0.0.1:50008` or `[::1]:50008`. */
function addressOf(address: Deno.NetAddr): string {
  const isIPv6 = address.hostname.includes(":");
  const hostname = isIPv6 ? `[${address.hostname}]` : address.hostname;
  return `${hostname}:${address.port}`;
}

/** Says on one line why the server cannot start and, if known, what to do. */
export function explain(error: Error): string {
  if (error instanceof Deno.errors.AddrInUse) {
    // On Linux, a port may stay in use for a minute after a server without
    // SO_REUSEADDR, such as the Python original, has stopped.
    return `port ${port} is in use: stop the program that uses it, or, if it ` +
      "has just stopped, wait a minute";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `the system refuses port ${port}: to see the ports that Windows ` +
      "reserves, run netsh interface ipv4 show excludedportrange tcp";
  }
  // If Deno has refused it, its message names the flag to add.
  return `cannot serve port ${port}: ${error.message}`;
}

if (import.meta.main) {
  const [argument] = Deno.args;
  if (argument === "-h" || argument === "--help") {
    console.log(usage);
    Deno.exit();
  }
  if (argument !== undefined) {
    const given = Deno.inspect(argument);
    console.error(
      `server.ts: the only option is --help, not ${given}\n${usage}`,
    );
    Deno.exit(2);
  }
  try {
    // The backlog is how many clients may wait to be accepted (the system may
    // allow fewer). Beyond that, Linux retries for a client after a second.
    const listener = Deno.listen({ hostname: host, port, tcpBacklog: 4096 });
    // Shows whether localhost means 127.0.0.1 or [::1] here. A client that uses
    // the other one cannot connect.
    const address = addressOf(listener.addr);
    console.log(`server listening on ${host}:${port} (${address})`);
    await serve(listener);
  } catch (error) {
    console.error(`server.ts: ${explain(error as Error)}`);
    Deno.exit(1);
  }
}
