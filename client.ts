#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * The client of `socket_preview.ts` as a program of its own: it talks to a
 * server in another program, in whatever language that is.
 *
 *     deno run --allow-net=localhost:50008 client.ts Alice Bob
 *
 * On a network without JSR: `deno task client Alice Bob`.
 *
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { client, host, port } from "./socket_preview.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends each NAME to ${host}:${port}, all at the same time, and prints the replies.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.`;
// No line breaks, no control characters, and not too long.
const quote = (text: string) => Deno.inspect(text, { strAbbreviateSize: 60 });

// A dash and white space begin a name, which parseArgs would take apart.
const args = Deno.args.filter((argument) => !/^-\s/.test(argument));
const names = Deno.args.filter((argument) => /^-\s/.test(argument));
const { count, help, h, _: afterDashes } = parseArgs(args, {
  boolean: ["help", "h"],
  string: ["count"],
  // Names come here too. So they stay text: 007 is not 7.
  unknown: (argument) => {
    if (/^-./.test(argument)) stop(`no such option: ${quote(argument)}`);
    names.push(argument);
    return false;
  },
});
names.push(...afterDashes.map(String));

if (help || h) stop();
if (count !== undefined && names.length > 0) stop("--count takes no names");
const valid = count === undefined || /^([1-9]\d{0,2}|1000)$/.test(count);
if (!valid) stop(`--count takes 1 to 1000, not ${quote(count)}`);
for (let i = 0; i < Number(count); i++) names.push(`client${i}`);
if (names.length === 0) names.push(`client:process=${Deno.pid}`);

const problems = new Set<string>(); // the same for all names is said once
const known: Record<string, string> = {
  ConnectionRefused: `no server on ${host}:${port}, start one: ` +
    "deno task server, or npx --yes deno@2 task server",
  NotCapable: `no permission to connect: add --allow-net=${host}:${port}`,
};
const runs = names.map((name) =>
  client(name)
    .catch((error) =>
      problems.add(known[error.name] ?? `${quote(name)}: ${error.message}`)
    )
    .finally(() => names.splice(names.indexOf(name), 1))
);
// Not setTimeout, whose first call in a process takes Deno some milliseconds.
const limit = new Promise((end) => AbortSignal.timeout(10_000).onabort = end);
await Promise.race([Promise.all(runs), limit]);
const late = `names without an answer after 10 s: ${names.length}, ` +
  `first ${quote(names[0])}; is the server stuck?`;
if (names.length > 0) problems.add(late); // names keeps who was not answered
for (const problem of problems) console.error(`client.ts: ${problem}`);
Deno.exit(problems.size > 0 ? 1 : 0);

/** Ends the program with its usage, and with what is wrong with the arguments. */
function stop(problem?: string): never {
  if (!problem) console.log(usage);
  else console.error(`client.ts: ${problem}\n${usage}`);
  Deno.exit(problem ? 2 : 0);
}
