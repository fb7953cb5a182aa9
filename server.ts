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

const usage = `Usage: server.ts [--help]
Answers everyone who connects to ${host}:${port}, until Ctrl-C.`;

if (Deno.args.length === 1 && Deno.args[0] === "--help") {
  console.log(usage);
  Deno.exit();
}
if (Deno.args.length > 0) {
  console.error(`server.ts takes no arguments: ${Deno.inspect(Deno.args[0])}`);
  console.error(usage);
  Deno.exit(2);
}

const shown = { count: 0, since: 0 }; // failures printed in these ten seconds
const listener = listen();
console.log(`server listening on ${host}:${port}`);
await server(listener, report);

function listen(): Deno.Listener {
  try {
    return Deno.listen({ hostname: host, port });
  } catch (error) {
    const reason = error instanceof Deno.errors.AddrInUse
      ? `port ${port} is taken: stop the program that listens on it, then retry`
      : (error as Error).message;
    console.error(`server.ts: ${reason}`);
    Deno.exit(1);
  }
}

/** Prints a failure in one line, but no more than ten of them in ten seconds. */
function report(error: unknown, connection?: Deno.Conn) {
  if (Date.now() - shown.since > 10_000) {
    shown.since = Date.now();
    shown.count = 0;
  }
  if (++shown.count > 10) return;
  const peer = connection ? addressOf(connection) : "accept";
  const more = shown.count === 10 ? "; more are not shown for 10 seconds" : "";
  console.error(`server.ts: ${peer}: ${(error as Error).message}${more}`);
}

function addressOf(connection: Deno.Conn): string {
  const { hostname, port } = connection.remoteAddr as Deno.NetAddr;
  return hostname.includes(":")
    ? `[${hostname}]:${port}`
    : `${hostname}:${port}`;
}
