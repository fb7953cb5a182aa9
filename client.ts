#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It waits up to ten
 * seconds for a reply. Outside this project, run `deno add jsr:@std/cli` first.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { bytesLiteral, host, port, receive, send } from "./socket_preview.ts";

const address = `${host}:${port}`;
const usage = `Usage: client.ts [-h | --help] [NAME ...]
Sends each NAME to ${address}, and prints up to 1024 bytes of each reply.
Without a NAME, sends client:process=PID. Put -- before names that begin with -.`;

/** Returns the names, or undefined for help. Throws on a wrong argument. */
export function parseNames(args: string[]): string[] | undefined {
  const options = parseArgs(args, {
    boolean: ["help", "h"],
    string: ["_"], // so that the name 007 is not the number 7
    unknown: (argument, option) => {
      if (option === undefined) return; // it is a name
      throw new Error(`no such option: ${Deno.inspect(argument)}`);
    },
  });
  if (options.help || options.h) return undefined;
  const names = options._.map(String); // its type allows numbers
  for (const name of names) {
    // An empty name would get no reply, and a server may read only 1024 bytes.
    const size = new TextEncoder().encode(name).length;
    if (size >= 1 && size <= 1024) continue;
    throw new Error(`a name must have 1 to 1024 bytes, not ${size}`);
  }
  return names.length > 0 ? names : [`client:process=${Deno.pid}`];
}

/**
 * Connects, sends a name, and returns 1 to 1024 bytes of the reply. If that
 * fails or takes more than `limit` milliseconds, throws an error that says why.
 * Based on `client()` of `socket_preview.ts`.
 */
export async function exchange(
  name: string,
  limit = 10_000,
): Promise<Uint8Array<ArrayBuffer>> {
  const timeout = new AbortController(); // AbortSignal.timeout() delays exit
  const timer = setTimeout(() => timeout.abort(), limit);
  const { signal } = timeout;
  try {
    using conn = await Deno.connect({ hostname: host, port, signal });
    signal.onabort = () => conn[Symbol.dispose]();
    // If no server listens, Linux may connect the client to itself.
    const { localAddr, remoteAddr } = conn;
    const isSelf = Deno.inspect(localAddr) === Deno.inspect(remoteAddr);
    if (isSelf) throw new Deno.errors.ConnectionRefused();
    await send(conn, new TextEncoder().encode(name));
    const reply = await receive(conn);
    if (reply.length > 0) return reply;
    throw new Error("the server closed the connection without a reply");
  } catch (error) {
    let problem: string;
    if (signal.aborted) {
      problem = `no reply from ${address} in ${limit / 1000} s`;
    } else if (error instanceof Deno.errors.ConnectionRefused) {
      problem = `no server on ${address}: start server.ts`;
    } else {
      problem = `${address}: ${(error as Error).message}`;
    }
    throw new Error(problem, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

if (import.meta.main) {
  let names: string[] | undefined;
  try {
    names = parseNames(Deno.args);
  } catch (error) {
    console.error(`client.ts: ${(error as Error).message}\n${usage}`);
    Deno.exit(2);
  }
  if (names === undefined) {
    console.log(usage);
    Deno.exit();
  }
  await Promise.all(names.map(async (name) => {
    try {
      const reply = await exchange(name);
      console.log(`client got: [${bytesLiteral(reply)}]`);
    } catch (error) {
      const { message } = error as Error;
      console.error(`client.ts: ${Deno.inspect(name)}: ${message}`);
      Deno.exitCode = 1;
    }
  }));
}
