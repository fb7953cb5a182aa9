#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It talks to a
 * server in another program, in any language. As that server may fail or never
 * reply, the client waits ten seconds at most, and says what went wrong.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * If your network blocks JSR, where @std/cli comes from, run this instead, with
 * the replacement in `tests/std`:
 *
 *     deno task client Alice Bob
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { bytesLiteral, host, port, receive, send } from "./socket_preview.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends all NAMEs to ${host}:${port} at the same time, and prints the replies.
Without a NAME, sends client:process=PID, with the ID of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
Names that begin with a dash go after --.`;

const noServer = `no server on ${host}:${port}: start one with ` +
  '"deno task server" or "npx --yes deno@2 task server"';

/**
 * Returns the names to send, or none if the arguments ask for help. Throws an
 * error that says what is wrong with the arguments.
 */
export function parseNames(args: string[]): string[] {
  const names: string[] = [];
  const unknownOptions: string[] = [];
  let isHelp = false;
  const { count, "--": namesAfterDashes } = parseArgs(args, {
    string: ["count"],
    "--": true,
    // Called with names before `--`, and with options other than --count. It
    // collects names, since parseArgs would return the name 007 as number 7.
    unknown: (argument, option) => {
      if (argument === "-h" || argument === "--help") isHelp = true;
      else if (option !== undefined) unknownOptions.push(argument);
      else names.push(argument);
      return false; // so that parseArgs does not return it as well
    },
  });
  if (isHelp) return [];
  if (unknownOptions.length > 0) {
    const option = Deno.inspect(unknownOptions[0]);
    throw new Error(`no such option: ${option} (as a name, it goes after --)`);
  }
  names.push(...namesAfterDashes);
  if (count !== undefined) {
    if (names.length > 0) {
      throw new Error("give either --count or names, not both");
    }
    const isValid = /^([1-9]\d{0,2}|1000)$/.test(count);
    const given = Deno.inspect(count);
    if (!isValid) throw new Error(`--count must be 1 to 1000, not ${given}`);
    return Array.from({ length: Number(count) }, (_, i) => `client${i}`);
  }
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
 * Sends all names at once, and prints each reply as it arrives. Waits for
 * `limit` milliseconds at most. Returns each problem with the names it affects.
 */
export async function sendAll(
  names: string[],
  limit = 10_000,
): Promise<Map<string, string[]>> {
  const problems = new Map<string, string[]>();
  const tooLate = `no reply from ${host}:${port} in ${limit / 1000} s: check ` +
    "whether the server is stuck";
  const timeout = new Promise<never>((_, reject) => {
    AbortSignal.timeout(limit).onabort = () => reject(new Error(tooLate));
  });
  await Promise.all(names.map(async (name) => {
    try {
      const reply = await Promise.race([exchange(name), timeout]);
      console.log(`client got: [${bytesLiteral(reply)}]`);
    } catch (error) {
      const isRefused = error instanceof Deno.errors.ConnectionRefused;
      const problem = isRefused ? noServer : (error as Error).message;
      problems.set(problem, [...(problems.get(problem) ?? []), name]);
    }
  }));
  return problems;
}

/** Connects, sends a name, and returns up to 1024 bytes of the reply. */
async function exchange(name: string): Promise<Uint8Array> {
  using conn = await Deno.connect({ hostname: host, port });
  // If no server listens, Linux may give this very port to the client, and so
  // connect it to itself.
  const isSelf = Deno.inspect(conn.localAddr) === Deno.inspect(conn.remoteAddr);
  if (isSelf) throw new Deno.errors.ConnectionRefused();
  await send(conn, new TextEncoder().encode(name));
  const reply = await receive(conn);
  if (reply.length === 0) {
    throw new Error(`${host}:${port} closed the connection without a reply`);
  }
  return reply;
}

if (import.meta.main) {
  let names: string[];
  try {
    names = parseNames(Deno.args);
  } catch (error) {
    console.error(`client.ts: ${(error as Error).message}\n${usage}`);
    Deno.exit(2);
  }
  if (names.length === 0) {
    console.log(usage);
    Deno.exit();
  }
  const problems = await sendAll(names);
  for (const [problem, [first, ...others]] of problems) {
    const more = others.length > 0 ? ` and ${others.length} more` : "";
    console.error(`client.ts: ${Deno.inspect(first)}${more}: ${problem}`);
  }
  // Do not wait for connections without a reply, nor for the timeout.
  Deno.exit(problems.size > 0 ? 1 : 0);
}
