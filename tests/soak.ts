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
import { applyLoad, openDescriptors, peakMemory } from "./measure.ts";

await using peer = startProgram("server.ts");
await peer.printed("listening");
await sleep(1000); // half a second after the start, Deno opens two more
const descriptorsAtStart = await openDescriptors(peer.pid);

// V8 lets its heap grow for a while under a load, and is free to keep it. What
// would show a leak is that it needs more yet for another 100,000 exchanges.
await runLaps(20);
const memoryBefore = await peakMemory(peer.pid);
const begin = performance.now();
const answers = await runLaps(10);
const seconds = (performance.now() - begin) / 1000;

const descriptors = await openDescriptors(peer.pid);
const memory = await peakMemory(peer.pid);
const start = performance.now();
assertEquals(await exchange("hello"), "server got: [b'hello']");
const last = performance.now() - start;

const growth = (memory / memoryBefore - 1) * 100;
console.log(
  `100000 exchanges, after 200000 to warm up, in ${seconds.toFixed(0)} s:`,
);
console.log(`  ${answers} of 90000 proper clients answered`);
console.log(
  `  ${descriptors} descriptors open, ${descriptorsAtStart} at the start`,
);
console.log(
  `  at most ${memory} KiB of memory, ${memoryBefore} before, ${
    growth.toFixed(1)
  } % more`,
);
console.log(`  one more answer took ${last.toFixed(1)} ms`);
assertEquals(answers, 90_000);
assertEquals(descriptors, descriptorsAtStart);
assert(growth < 10, "the server's memory grew by a tenth or more");
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
  await sleep(500);
  return answers;
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
