#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It talks to a
 * server in another program, in any language. As that server may fail or never
 * reply, the client waits ten seconds at most, and says what went wrong.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * If your network blocks JSR, where @std/cli comes from, run this instead. It
 * uses the replacement in `tests/std`: `deno task client Alice Bob`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { bytesLiteral, host, port, receive, send } from "./socket_preview.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends all NAMEs to ${host}:${port} at the same time, and prints the replies.
Without a NAME, sends client:process=PID, with the ID of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.`;

/** What went wrong, in words for the user. */
class Problem extends Error {}

/** Rejects ten seconds after the start. All names share this limit. */
const timeout = new Promise<never>((_, reject) => {
  const problem =
    `no reply from ${host}:${port} in 10 s: check whether the server is stuck`;
  const signal = AbortSignal.timeout(10_000); // milliseconds
  signal.onabort = () => reject(new Problem(problem));
});

const names = parseNames();
const results = await Promise.allSettled(names.map(run));
const failures: { name: string; problem: string }[] = [];
for (const [index, result] of results.entries()) {
  if (result.status === "fulfilled") continue;
  failures.push({ name: names[index], problem: explain(result.reason) });
}
// Each problem is printed once, however many names had it.
for (const [problem, group] of Map.groupBy(failures, (f) => f.problem)) {
  const share = `${group.length} of ${names.length} names`;
  const note = ` (${share}, first ${quote(group[0].name)})`;
  console.error(`client.ts: ${problem}${names.length > 1 ? note : ""}`);
}
// Exits even if some connections are still waiting for a reply.
Deno.exit(failures.length > 0 ? 1 : 0);

/** Returns the names to send. Exits after an error, or if asked for help. */
function parseNames(): string[] {
  const names: string[] = [];
  const { count, help, "--": namesAfterDashes } = parseArgs(Deno.args, {
    alias: { h: "help" },
    boolean: ["help"],
    string: ["count"],
    "--": true,
    // Called with each unknown option, and with each name before `--`. Collects
    // the names, since parseArgs itself would return the name 007 as number 7.
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
    if (names.length > 0) stop("give either --count or names, not both");
    const isValid = /^([1-9]\d{0,2}|1000)$/.test(count);
    if (!isValid) stop(`--count must be 1 to 1000, not ${quote(count)}`);
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
  if (reply.length === 0) {
    throw new Problem(`${host}:${port} closed the connection without a reply`);
  }
}

/** Connects, sends a name, and returns up to 1024 bytes of the reply. */
async function exchange(name: string): Promise<Uint8Array> {
  const size = new TextEncoder().encode(name).length;
  // A server waits for at least one byte, and might read only the first 1024.
  if (size === 0 || size > 1024) {
    throw new Problem(`a name must have 1 to 1024 bytes, not ${size}`);
  }
  using connection = await Deno.connect({ hostname: host, port });
  // If no server listens, Linux may choose its port as the client's own, and so
  // connect the client to itself.
  const own = connection.localAddr;
  const peer = connection.remoteAddr;
  const isSelf = own.port === peer.port && own.hostname === peer.hostname;
  if (isSelf) throw new Deno.errors.ConnectionRefused();
  await send(connection, name);
  // Awaited here, as `using` closes the connection when the function returns.
  return await receive(connection);
}

/** Prints a line to standard output. */
function print(line: string): void {
  try {
    console.log(line);
  } catch (error) {
    throw new Problem(`cannot print: ${(error as Error).message}`);
  }
}

/** Says on one line what went wrong and, if known, what to do about it. */
function explain(error: Error): string {
  if (error instanceof Problem) return error.message;
  if (error instanceof Deno.errors.ConnectionRefused) {
    return `no server on ${host}:${port}: start one with "deno task server" ` +
      'or "npx --yes deno@2 task server"';
  }
  if (error instanceof Deno.errors.NotCapable) {
    return `no permission to connect: add --allow-net=${host}:${port}`;
  }
  return `cannot talk to ${host}:${port}: ${error.message}`;
}

/** Quotes the first 60 characters of a string. Escapes control characters. */
function quote(text: string): string {
  return Deno.inspect(text, { strAbbreviateSize: 60 });
}
