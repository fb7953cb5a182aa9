#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It talks to a
 * server in another program, in any language. As that server may fail or never
 * reply, the client waits ten seconds at most, and says what went wrong.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { bytesLiteral, host, port, receive, send } from "./socket_preview.ts";

const address = `${host}:${port}`;
const usage = `Usage: client.ts [-h | --help] [NAME ...]
Sends each NAME to ${address}, all at once, and prints the start of each
reply, up to 1024 bytes. Without a NAME, sends client:process=PID, with the ID
of this process. Names that begin with a dash go after --.`;

/** Returns names to send, none for --help. Throws if an argument is wrong. */
export function parseNames(args: string[]): string[] {
  const options = parseArgs(args, {
    boolean: ["help"],
    alias: { help: "h" },
    string: ["_"], // so that the name 007 is not the number 7
    unknown: (argument, option) => {
      if (option === undefined) return; // it is a name
      const given = Deno.inspect(argument);
      throw new Error(`no such option: ${given} (as a name, it goes after --)`);
    },
  });
  if (options.help) return [];
  const names = options._.map(String);
  for (const name of names) {
    // A server waits for at least one byte, and might read only the first 1024.
    const size = new TextEncoder().encode(name).length;
    if (size === 0 || size > 1024) {
      throw new Error(`a name must have 1 to 1024 bytes, not ${size}`);
    }
  }
  return names.length > 0 ? names : [`client:process=${Deno.pid}`];
}

/**
 * Connects, sends a name, and returns 1 to 1024 bytes of the reply. Throws an
 * error that says what went wrong, after `limit` milliseconds at the latest.
 * Based on `client()` of `socket_preview.ts`.
 */
export async function exchange(
  name: string,
  limit = 10_000,
): Promise<Uint8Array> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), limit);
  const { signal } = timeout; // AbortSignal.timeout() could not be cleared
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
    let problem = `${address}: ${(error as Error).message}`;
    const isRefused = error instanceof Deno.errors.ConnectionRefused;
    if (isRefused) problem = `no server on ${address}: start server.ts`;
    if (signal.aborted) {
      problem = `no reply from ${address} in ${limit / 1000} s`;
    }
    throw new Error(problem, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

if (import.meta.main) {
  let names: string[];
  try {
    names = parseNames(Deno.args);
  } catch (error) {
    console.error(`client.ts: ${(error as Error).message}\n${usage}`);
    Deno.exit(2);
  }
  if (names.length === 0) console.log(usage); // for --help
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
