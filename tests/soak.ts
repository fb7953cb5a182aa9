/**
 * Puts 100,000 exchanges on a warm server, a tenth of them abusive, and checks that
 * it comes out as it went in. Needs Linux, for its list of open descriptors, and
 * Python, for clients that reset.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  connect,
  exchange,
  readAll,
  runPython,
  sleep,
  startProgram,
} from "./helpers.ts";
import { applyLoad, openDescriptors, residentMemory } from "./measure.ts";

await using peer = startProgram(
  "--v8-flags=--expose-gc",
  "--preload=tests/peers/collect.ts",
  "server.ts",
);
await peer.printed("listening");
await sleep(1000); // half a second after the start, Deno opens two more
const descriptorsAtStart = await openDescriptors(peer.pid);

await runLaps(10); // to warm up: what grows after that is a leak
const memoryAtStart = await settledMemory();
const begin = performance.now();
const answers = await runLaps(10);
const seconds = (performance.now() - begin) / 1000;

const memory = await settledMemory();
const descriptors = await openDescriptors(peer.pid);
const start = performance.now();
assertEquals(await exchange("hello"), "server got: [b'hello']");
const last = performance.now() - start;

const growth = ((memory / memoryAtStart - 1) * 100).toFixed(1);
console.log(
  `100000 exchanges in ${seconds.toFixed(0)} s, after as many to warm up:`,
);
console.log(`  ${answers} of 90000 proper clients answered`);
console.log(
  `  ${descriptors} open descriptors, ${descriptorsAtStart} at start`,
);
console.log(
  `  ${memory} KiB of memory, ${memoryAtStart} at start: ${growth} %`,
);
console.log(`  one more answer took ${last.toFixed(1)} ms`);
assertEquals(answers, 90_000);
assertEquals(descriptors, descriptorsAtStart);
assert(Number(growth) < 10, "the server's memory grew by a tenth or more");
assert(last < 100, "the server does not answer at once");

/** Runs laps of 10,000 exchanges. Returns how many were answered properly. */
async function runLaps(laps: number): Promise<number> {
  let answers = 0;
  const silent: Promise<string>[] = [];
  for (let lap = 0; lap < laps; lap++) {
    for (let count = 0; count < 250; count++) silent.push(saysNothing());
    const [load] = await Promise.all([
      applyLoad(50, 9000),
      saysTooMuch(250),
      runPython("faults.py", "reset", "250"),
      runPython("faults.py", "reset-after", "250"),
    ]);
    answers += load.answers;
  }
  // The server lets go of each after 10 seconds, without a reply.
  for (const reply of await Promise.all(silent)) assertEquals(reply, "");
  return answers;
}

/** The least memory of the server in 5 seconds of rest, in KiB. */
async function settledMemory(): Promise<number> {
  let least = Infinity;
  for (let reading = 0; reading < 10; reading++) {
    await sleep(500);
    least = Math.min(least, await residentMemory(peer.pid));
  }
  return least;
}

async function saysNothing(): Promise<string> {
  using connection = await connect();
  return await readAll(connection);
}

async function saysTooMuch(clients: number) {
  for (let count = 0; count < clients; count++) {
    using connection = await connect();
    await connection.write(new Uint8Array(5000));
  }
}
