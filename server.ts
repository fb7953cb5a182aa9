#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The server of `socket_preview.ts` as a program of its own: it answers clients
 * in other programs, in whatever language they are, until Ctrl-C.
 *
 *     deno run --allow-net=localhost:50008 server.ts
 *
 * @module
 */

import { host, port, server } from "./socket_preview.ts";

const usage = `Usage: server.ts [-h | --help]
Answers everyone who connects to ${host}:${port}, until Ctrl-C.`;

const extra = Deno.args.find((argument) => !/^(-h|--help)$/.test(argument));
if (extra !== undefined) {
  // No line breaks, no control characters, and not too long.
  const quoted = Deno.inspect(extra, { strAbbreviateSize: 60 });
  stop(`no such argument: ${quoted}\n${usage}`, 2);
}
if (Deno.args.length > 0) {
  console.log(usage);
  Deno.exit();
}

let recent: number[] = []; // when failures were printed, in milliseconds
try {
  const listener = Deno.listen({ hostname: host, port });
  console.log(`server listening on ${host}:${port}`);
  server(listener, report);
} catch (error) {
  if (error instanceof Deno.errors.AddrInUse) {
    const advice = "stop what listens there, or wait a minute if it has ended";
    stop(`port ${port} is taken: ${advice}`);
  }
  if (error instanceof Deno.errors.NotCapable) {
    stop(`no permission to listen: add --allow-net=${host}:${port}`);
  }
  stop((error as Error).message);
}

/** Prints a failure, but no more than ten in any ten seconds. Never throws. */
function report(error: unknown, connection?: Deno.Conn): void {
  const now = performance.now();
  recent = recent.filter((time) => now - time < 10_000);
  if (recent.length === 10) return;
  recent.push(now);
  const peer = connection?.remoteAddr as Deno.NetAddr | undefined;
  const place = peer ? `${peer.hostname} port ${peer.port}` : "accept";
  const more = recent.length === 10 ? " (10 in 10 s: no more for now)" : "";
  try {
    console.error(`server.ts: ${place}: ${(error as Error).message}${more}`);
  } catch {
    // Standard error cannot be written, which is no reason to stop serving.
  }
}

/** Ends the program with what is wrong, in one line. */
function stop(problem: string, code = 1): never {
  console.error(`server.ts: ${problem}`);
  Deno.exit(code);
}
