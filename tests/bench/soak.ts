/**
 * Puts 200,000 exchanges on one server, or as many as its argument says, a tenth
 * of them abusive. The first half warms the server up; it must come out of the
 * second as it went in. Needs Linux, for its list of open descriptors.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { connect, exchange, reset, sleep, startServer } from "../helpers.ts";
import { applyLoad, openDescriptors, residentMemory } from "./measure.ts";

const total = Number(Deno.args[0] ?? 200_000);
const lap = 10_000; // exchanges
if (!(total >= 2 * lap) || total % (2 * lap) !== 0) {
  throw new RangeError(`${total} exchanges, not a multiple of ${2 * lap}`);
}

await using peer = await startServer(
  "--v8-flags=--expose-gc",
  "--preload=tests/bench/collect.ts",
);
await sleep(1000); // half a second after the start, Deno opens two more
const descriptorsAtStart = await openDescriptors(peer.pid);

const begin = performance.now();
let answers = await runLaps(total / lap / 2);
const memoryAtHalf = await settledMemory();
answers += await runLaps(total / lap / 2);
const seconds = (performance.now() - begin) / 1000;
const memory = await settledMemory();
const descriptors = await openDescriptors(peer.pid);
const start = performance.now();
assertEquals(await exchange("hello"), "server got: [b'hello']");
const last = performance.now() - start;

const growth = ((memory / memoryAtHalf - 1) * 100).toFixed(1);
const proper = total * 0.9;
console.log(`${total} exchanges in ${seconds.toFixed(0)} s:`);
console.log(`  ${answers} of ${proper} proper clients answered`);
console.log(`  ${total - proper} abusive ones`);
console.log(
  `  ${descriptors} open descriptors, ${descriptorsAtStart} at start`,
);
console.log(`  ${memory} KiB of memory, ${memoryAtHalf} at half: ${growth} %`);
console.log(`  one more answer took ${last.toFixed(1)} ms`);
assertEquals(answers, proper);
assertEquals(descriptors, descriptorsAtStart);
assert(Number(growth) < 10, "the server's memory grew by a tenth or more");
assert(last < 1000, "the server does not answer at once");

/** Runs laps, a tenth of each abusive. Returns how many were answered properly. */
async function runLaps(laps: number): Promise<number> {
  let answers = 0;
  for (let count = 0; count < laps; count++) {
    const silent = await Promise.all(Array.from({ length: 250 }, connect));
    const [load] = await Promise.all([
      applyLoad(50, 9000),
      sayTooMuch(250),
      reset("reset", 250),
      reset("after", 250),
    ]);
    answers += load.answers;
    for (const connection of silent) connection.close();
  }
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

async function sayTooMuch(clients: number) {
  for (let count = 0; count < clients; count++) {
    using connection = await connect();
    await connection.write(new Uint8Array(5000)).catch(() => {});
  }
}
