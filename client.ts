#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own. It talks to a
 * server in another program, in any language. That is a stranger to it, so it
 * waits for ten seconds at most, and says what goes wrong.
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
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.`;

const flags = { alias: { h: "help" as const }, boolean: ["help" as const] };
// The first time to refuse unknown options. The second time, `_` among the
// strings keeps 007 as text; the first time, it would end parseArgs at `--_`.
parseArgs(Deno.args, {
  ...flags,
  string: ["count"],
  unknown: (argument, option) => {
    if (option !== undefined) stop(`no such option: ${quote(argument)}`);
  },
});
const { count, help, _: given } = parseArgs(Deno.args, {
  ...flags,
  string: ["count", "_"],
});
const names = given.map(String);

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

const limit = AbortSignal.timeout(10_000); // milliseconds
const late = new Promise<never>((_, reject) => {
  limit.onabort = () => reject(limit.reason); // a TimeoutError
});
const runs = names.map(async (name) => ({ name, problem: await run(name) }));
const problems = Map.groupBy(await Promise.all(runs), ({ problem }) => problem);
problems.delete(""); // the names without a problem
for (const [problem, failed] of problems) {
  const share = `${failed.length} of ${names.length} names`;
  const whose = ` (${share}, first ${quote(failed[0].name)})`;
  console.error(`client.ts: ${problem}${names.length > 1 ? whose : ""}`);
}
Deno.exit(problems.size > 0 ? 1 : 0);

/** Sends a name, prints the reply, and returns what went wrong, or "". */
async function run(name: string): Promise<string> {
  const reply = await Promise.race([exchange(name), late]).catch(explain);
  if (typeof reply === "string") return reply;
  try {
    console.log(`client got: [${bytesLiteral(reply)}]`);
  } catch (error) {
    return `cannot print: ${(error as Error).message}`;
  }
  if (reply.length > 0) return "";
  return `${host}:${port} closed the connection without a reply`;
}

/** Connects, sends a name, and returns up to 1024 bytes of the reply. */
async function exchange(name: string): Promise<Uint8Array> {
  const size = new TextEncoder().encode(name).length;
  // An empty name would leave both sides waiting, the end of a long one unread.
  if (size === 0 || size > 1024) {
    throw new RangeError(`a name of ${size} bytes, not 1-1024`);
  }
  using connection = await Deno.connect({ hostname: host, port });
  const own = connection.localAddr, peer = connection.remoteAddr;
  // Where nobody listens, Linux may connect a socket to itself.
  const isSelf = own.port === peer.port && own.hostname === peer.hostname;
  if (isSelf) throw new Deno.errors.ConnectionRefused();
  await send(connection, name);
  return await receive(connection);
}

/** Says in a line what went wrong, and what to do about it. */
function explain({ name, message }: Error): string {
  const known: Record<string, string> = {
    ConnectionRefused: `no server on ${host}:${port}, start one: ` +
      "deno task server, or npx --yes deno@2 task server",
    NotCapable: `no permission to connect: add --allow-net=${host}:${port}`,
    RangeError: message,
    TimeoutError: `no answer from ${host}:${port} in 10 s, is it stuck?`,
  };
  return known[name] ?? `${host}:${port}: ${message}`;
}

/** Quotes a text in one line, without control characters, cut at 60. */
function quote(text: string): string {
  return Deno.inspect(text, { strAbbreviateSize: 60 });
}

/** Says what is wrong with the arguments, and ends the program. */
function stop(problem: string): never {
  console.error(`client.ts: ${problem}\n${usage}`);
  Deno.exit(2);
}
