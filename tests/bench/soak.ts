/**
 * Puts 200,000 exchanges on one server, or as many as its argument says, a tenth
 * of them abusive. The first half warms the server up; it must come out of the
 * second as it went in. Needs Linux, for its list of open descriptors.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  connect,
  exchange,
  Program,
  reset,
  sleep,
  startServer,
} from "../helpers.ts";
import { applyLoad } from "./load.ts";

const total = Number(Deno.args[0] ?? 200_000);
const half = total / 20_000; // in laps of 10,000 exchanges
if (!Number.isInteger(half) || half < 1) {
  throw new RangeError(`${total} exchanges, not a multiple of 20000`);
}

// V8 collects its garbage, and gives memory back, only when it likes.
const collect = `data:text/typescript,Deno.unrefTimer(setInterval(() =>
  gc({ type: "major", execution: "sync", flavor: "last-resort" }), 1000))`;
const flags = [
  "--v8-flags=--expose-gc",
  `--preload=${collect.replace("\n", "")}`,
];
await using server = await startServer(...flags);
await sleep(1000); // half a second after the start, Deno opens two more
const { descriptors: atStart } = await measure();
const begin = performance.now();
let answers = await runLaps();
const { memory: atHalf } = await measure();
answers += await runLaps();
const { descriptors, memory } = await measure();
const seconds = (performance.now() - begin) / 1000;
const growth = (memory / atHalf - 1) * 100;
console.log(`${total} exchanges in ${seconds.toFixed(0)} s:
  ${answers} of ${total * 0.9} proper clients answered
  ${descriptors} open descriptors, ${atStart} at start
  ${memory} KiB of memory, ${atHalf} at half: ${growth.toFixed(1)} %`);
assertEquals([answers, descriptors], [total * 0.9, atStart]);
assert(growth < 10, "the server's memory grew by a tenth or more");
assertEquals(await exchange("hello"), "server got: [b'hello']");

/** Runs half of the laps. Returns how many proper clients were answered. */
async function runLaps(): Promise<number> {
  let answers = 0;
  for (let lap = 0; lap < half; lap++) {
    const silent = await Promise.all(Array.from({ length: 250 }, connect));
    const loads = [
      applyLoad(50, 9000),
      sayTooMuch(),
      reset("reset", 250),
      reset("after", 250),
    ];
    answers += (await Promise.all(loads))[0]!.answers;
    for (const connection of silent) connection.close();
  }
  return answers;
}

async function sayTooMuch() {
  for (let count = 0; count < 250; count++) {
    using connection = await connect();
    await connection.write(new Uint8Array(5000)).catch(() => {});
  }
}

/** The server's open descriptors, and its least memory in 5 seconds, in KiB. */
async function measure() {
  const ps = `ls /proc/${server.pid}/fd | wc -l; ps -o rss= -p ${server.pid}`;
  let descriptors = 0, memory = Infinity;
  for (let reading = 0; reading < 10; reading++) {
    await sleep(500);
    const { stdout } = await new Program("sh", "-c", ps).end();
    const [open, resident] = stdout.split("\n").map(Number);
    [descriptors, memory] = [open!, Math.min(memory, resident!)];
  }
  return { descriptors, memory };
}
