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
Answers clients that connect to ${host}:${port}, until Ctrl-C.`;

// A file descriptor is a number that stands for an open file or connection. If
// none is left, accept fails, even if no client is waiting. serve() then pauses
// while clients that have sent something are answered. After `patience`
// failures, each further one closes a share of the connections, oldest first.
const pause = 4; // milliseconds after each failure
const patience = 190; // failures: about a second, as timers run a little late
const share = 1 / 4; // of the connections

/**
 * Answers clients, many at once, until the listener is closed. Then it closes
 * the connections that are left. Passes problems to `report`, which must not
 * throw. To survive a shortage of file descriptors, add a signal listener as
 * the end of this file does. Based on `server()` of `socket_preview.ts`.
 */
export async function serve(
  listener: Pick<Deno.TcpListener, "accept">,
  report: (line: string) => void = limitedReport(),
): Promise<void> {
  const connections = new Set<Deno.TcpConn>(); // open, oldest first
  let failures = 0; // in this shortage
  let lastFailure = -Infinity; // time in milliseconds
  let crowd = 0; // how many connections were open at the last failure
  while (true) {
    try {
      const conn = await listener.accept();
      // Once few of a crowd are left (less than `share`), the next crowd gets
      // the full patience. But not after closings: if silent clients kept
      // coming, the server would wait a second before each round of closings.
      const isOver = connections.size < crowd * share;
      if (isOver && failures <= patience) failures = 0;
      connections.add(conn);
      // Not awaited, so that a slow client does not keep the others waiting.
      answer(conn).catch((error) => {
        // If closeOldest() has closed it, there is no problem to report.
        if (!connections.has(conn)) return;
        report(`${format(conn.remoteAddr)}: ${error.message}`);
      }).finally(() => connections.delete(conn));
      // Deno may accept hundreds of clients before it reads from any of them.
      // Let it first read what they have sent, as failures may close them.
      await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) break; // it was closed
      const { code, message } = error as Error & { code?: string };
      // The process (EMFILE) or the system (ENFILE) is out of file descriptors.
      if (code !== "EMFILE" && code !== "ENFILE") {
        report(`accept: ${message}`);
        // On Linux, NotConnected means that a client reset before its accept.
        // Any other error may persist: pause, so as not to hog the processor.
        if (!(error instanceof Deno.errors.NotConnected)) await sleep(1);
        continue;
      }
      const now = performance.now();
      if (now - lastFailure > pause * patience) failures = 0; // a new shortage
      failures++;
      if (failures === 1) report(`accept: ${message}`);
      lastFailure = now;
      crowd = connections.size;
      await sleep(pause);
      const { size } = connections;
      if (failures <= patience || size === 0) continue;
      const count = Math.ceil(size * share);
      report(`closing the oldest ${count} of ${size} connections`);
      closeOldest(connections, count);
      await sleep(0); // gives Deno time to free their file descriptors
    }
  }
  closeOldest(connections, connections.size);
}

function closeOldest(connections: Set<Deno.TcpConn>, count: number): void {
  for (const conn of connections.values().take(count)) {
    connections.delete(conn);
    conn[Symbol.dispose](); // unlike close(), it never throws
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Returns a function that prints the first ten lines of each ten seconds. */
function limitedReport(): (line: string) => void {
  let start = 0; // time in milliseconds
  let count = 0;
  return (line) => {
    if (performance.now() - start >= 10_000) {
      start = performance.now();
      count = 0;
    }
    count++;
    if (count > 10) return;
    const note = count === 10 ? " (more are hidden for up to 10 s)" : "";
    write(Deno.stderr, `server.ts: ${line}${note}`);
  };
}

/** Prints a line without waiting until somebody reads it. */
function write(output: typeof Deno.stdout, line: string): void {
  output.write(new TextEncoder().encode(`${line}\n`)).catch(() => {});
}

/** Formats an address as `127.0.0.1:50008` or `[::1]:50008`. */
function format(address: Deno.NetAddr): string {
  const isIPv6 = address.hostname.includes(":");
  const hostname = isIPv6 ? `[${address.hostname}]` : address.hostname;
  return `${hostname}:${address.port}`;
}

if (import.meta.main) {
  const [argument] = Deno.args;
  if (argument === "-h" || argument === "--help") {
    console.log(usage);
    Deno.exit();
  }
  if (argument !== undefined) {
    const given = Deno.inspect(argument);
    console.error(`server.ts: unexpected argument ${given}\n${usage}`);
    Deno.exit(2);
  }
  // Half a second after its start, Deno opens two file descriptors for signals,
  // and crashes if clients have taken the last ones. A signal listener makes it
  // open them now, and one for SIGWINCH does not change what Ctrl-C does.
  Deno.addSignalListener("SIGWINCH", () => {});
  let listener: Deno.TcpListener;
  try {
    // The backlog is how many clients may wait to be accepted (the system may
    // allow fewer). Beyond that, clients on Linux try again after a second.
    listener = Deno.listen({ hostname: host, port, tcpBacklog: 4096 });
  } catch (error) {
    // On Linux, the port may stay in use for a minute after a server that did
    // not set SO_REUSEADDR, such as the Python original, has stopped.
    const advice = error instanceof Deno.errors.AddrInUse
      ? ": stop the program that uses it or, if it just stopped, wait a minute"
      : "";
    const problem = `cannot listen on ${host}:${port}: ${error}`;
    console.error(`server.ts: ${problem}${advice}`);
    Deno.exit(1);
  }
  // Shows whether localhost means 127.0.0.1 or [::1] here. A client that uses
  // the other one cannot connect.
  const address = format(listener.addr);
  write(Deno.stdout, `server listening on ${host}:${port} (${address})`);
  await serve(listener);
}
