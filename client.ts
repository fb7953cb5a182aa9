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

const usage = `Usage: client.ts [--count N] [NAME ...]
Sends each NAME to ${host}:${port}, all at the same time, and prints the replies.
  --count N   Send client0 to clientN-1 instead, N a whole number from 1 to 1000
  -h, --help  Print this text`;

const names: string[] = [], unknown: string[] = [];
const { count, help, h, _: afterDashes } = parseArgs(Deno.args, {
  boolean: ["help", "h"],
  string: ["count"],
  // Names come here too. So they stay text: 007 is not 7.
  unknown: (argument) => {
    (/^-./.test(argument) ? unknown : names).push(argument);
    return false;
  },
});
names.push(...afterDashes.map(String));

if (help || h) stop();
if (unknown.length > 0) stop(`there is no option ${unknown[0]}`);
if (count !== undefined && names.length > 0) stop("--count takes no names");
const valid = /^([1-9]\d{0,2}|1000)$/;
if (!valid.test(count ?? "1")) stop(`--count takes 1 to 1000, not "${count}"`);
for (let i = 0; i < Number(count ?? 0); i++) names.push(`client${i}`);
if (names.length === 0) names.push(`client:process=${Deno.pid}`);
const refused = await Promise.all(names.map(run));
if (refused.includes(true)) {
  console.error(`no server on ${host}:${port}, start one: deno task server`);
}

/** Runs one client. Returns whether it found no server to talk to. */
async function run(name: string): Promise<boolean> {
  try {
    await client(name);
  } catch (error) {
    Deno.exitCode = 1;
    if (error instanceof Deno.errors.ConnectionRefused) return true;
    const { message } = error as Error;
    console.error(`client.ts: ${Deno.inspect(name)}: ${message}`);
  }
  return false;
}

/** Ends the program with its usage, and with what is wrong with its arguments. */
function stop(problem?: string): never {
  if (!problem) console.log(usage);
  else console.error(`client.ts: ${problem}\n${usage}`);
  Deno.exit(problem ? 2 : 0);
}
