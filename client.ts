#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It talks to a
 * server in another program, in any language. It has no control over what that
 * does, so it waits for ten seconds at most, and says what went wrong.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * On a network without JSR: `deno task client Alice Bob`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { bytesLiteral, host, port, receive, send } from "./socket_preview.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends each NAME to ${host}:${port}, all at the same time, and prints the replies.
Without a NAME, sends client:process= and the id of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.`;

/** What went wrong, in words for the user. */
class Problem extends Error {}

// All names have the same ten seconds.
const limit = AbortSignal.timeout(10_000); // milliseconds
const timeout = new Promise<never>((_, reject) => {
  const problem = `no answer from ${host}:${port} in 10 s: is it stuck?`;
  limit.onabort = () => reject(new Problem(problem));
});

const names = parseNames();
const results = await Promise.allSettled(names.map(run));
const problems = new Map<string, string[]>(); // with the names that had each
for (const [index, result] of results.entries()) {
  if (result.status === "fulfilled") continue;
  const problem = explain(result.reason);
  const affected = problems.get(problem) ?? [];
  affected.push(names[index]);
  problems.set(problem, affected);
}
for (const [problem, affected] of problems) {
  const share = `${affected.length} of ${names.length} names`;
  const note = ` (${share}, first ${quote(affected[0])})`;
  console.error(`client.ts: ${problem}${names.length > 1 ? note : ""}`);
}
Deno.exit(problems.size > 0 ? 1 : 0);

/** Returns the names in the arguments. Exits if there is help or an error. */
function parseNames(): string[] {
  const names: string[] = [];
  const { count, help, "--": namesAfterDashes } = parseArgs(Deno.args, {
    alias: { h: "help" },
    boolean: ["help"],
    string: ["count"],
    "--": true,
    // Called with each name, and with each option that is not listed above. The
    // names are collected here as they are: parseArgs would turn 007 into 7.
    unknown: (argument, option) => {
      if (option !== undefined) stop(`no such option: ${quote(argument)}`);
      names.push(argument);
    },
  });
  names.push(...namesAfterDashes);
  if (help) {
    console.log(usage);
    Deno.exit();
  }
  if (count !== undefined) {
    if (names.length > 0) stop("--count takes no names");
    const isValid = /^([1-9]\d{0,2}|1000)$/.test(count);
    if (!isValid) stop(`--count takes 1 to 1000, not ${quote(count)}`);
    for (let i = 0; i < Number(count); i++) names.push(`client${i}`);
  }
  if (names.length === 0) names.push(`client:process=${Deno.pid}`);
  return names;
}

/** Prints what is wrong with the arguments, and exits. */
function stop(problem: string): never {
  console.error(`client.ts: ${problem}\n${usage}`);
  Deno.exit(2);
}

/** Sends a name, and prints the reply. Rejects with what went wrong. */
async function run(name: string): Promise<void> {
  const reply = await Promise.race([exchange(name), timeout]);
  print(`client got: [${bytesLiteral(reply)}]`);
  if (reply.length > 0) return;
  throw new Problem(`${host}:${port} closed the connection without a reply`);
}

/** Connects, sends a name, and returns up to 1024 bytes of the reply. */
async function exchange(name: string): Promise<Uint8Array> {
  const size = new TextEncoder().encode(name).length;
  // A server waits for at least one byte, and may read no more than 1024.
  if (size === 0 || size > 1024) {
    throw new Problem(`a name must have 1 to 1024 bytes, not ${size}`);
  }
  using connection = await Deno.connect({ hostname: host, port });
  // If no server is listening, Linux may connect a client to itself.
  const own = connection.localAddr;
  const peer = connection.remoteAddr;
  const isSelf = own.port === peer.port && own.hostname === peer.hostname;
  if (isSelf) throw new Deno.errors.ConnectionRefused();
  await send(connection, name);
  return await receive(connection); // awaited before `using` closes the connection
}

/** Prints a line to standard output. */
function print(line: string): void {
  try {
    console.log(line);
  } catch (error) {
    throw new Problem(`cannot print: ${(error as Error).message}`);
  }
}

/** Says in one line what went wrong, and what to do about it. */
function explain(error: Error): string {
  if (error instanceof Problem) return error.message;
  if (error instanceof Deno.errors.ConnectionRefused) {
    return `no server is listening on ${host}:${port}, start one with ` +
      "deno task server, or npx --yes deno@2 task server";
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `no permission to connect: add --allow-net=${host}:${port}`;
  }
  return `${host}:${port}: ${error.message}`;
}

/** Quotes a text in one line, escapes control characters, and cuts it at 60. */
function quote(text: string): string {
  return Deno.inspect(text, { strAbbreviateSize: 60 });
}
