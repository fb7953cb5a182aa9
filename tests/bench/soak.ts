/**
 * Puts 200,000 exchanges on one server, or as many as its argument says, a tenth
 * of them with clients that misbehave. The first half warms the server up. After
 * the second, it must use no more than before. Needs Linux, for /proc and `ps`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { connect, connectMany, exchange } from "../helpers.ts";
import { isPortTaken, reset, sleep } from "../helpers.ts";
import { preload, startServer, startShell } from "../program.ts";
import { applyLoad } from "./bench.ts";

const lap = 10_000; // exchanges
const total = Number(Deno.args[0] ?? 200_000);
const laps = total / lap;
if (!Number.isInteger(laps / 2) || laps < 2) {
  console.error(`soak.ts: takes a multiple of 20000, not ${Deno.args[0]}`);
  Deno.exit(2);
}

if (isPortTaken()) {
  console.error("soak.ts: port 50008 is in use: stop the program that uses it");
  Deno.exit(1);
}

/** Preloaded, collects garbage every second: V8 does it only when it likes. */
function collectGarbage() {
  const { gc } = globalThis as unknown as { gc: (options: unknown) => void };
  const options = { type: "major", execution: "sync", flavor: "last-resort" };
  Deno.unrefTimer(setInterval(() => gc(options), 1000));
}

await using server = await startServer(
  "--v8-flags=--expose-gc",
  preload(collectGarbage),
);
await sleep(1000); // half a second after its start, Deno opens two more files
const atStart = await measure();
let answers = 0;
let atHalf = atStart;
for (let done = 1; done <= laps; done++) {
  answers += await runLap();
  console.log(`${done * lap} of ${total} exchanges, ${answers} answers`);
  if (done === laps / 2) atHalf = await measure();
}
const atEnd = await measure();
console.log(
  `open files: ${atStart.files} at the start, ${atEnd.files} at the end
memory in KiB: ${atHalf.memory} at half, ${atEnd.memory} at the end`,
);
assertEquals([answers, atEnd.files], [total * 0.9, atStart.files]);
assert(atEnd.memory < atHalf.memory * 1.1, "memory grew by a tenth or more");
assertEquals(await exchange("hello"), "server got: [b'hello']");

/** Returns how many well-behaved clients got their answer. */
async function runLap(): Promise<number> {
  const silent = await connectMany(250);
  const load = applyLoad(50, lap * 0.9);
  for (let count = 0; count < 250; count++) {
    await reset();
    await reset("hello");
    using connection = await connect();
    await connection.write(new Uint8Array(5000)).catch(() => {});
  }
  for (const connection of silent) connection.close();
  return await load;
}

/** The server's open files, and its least memory in 5 seconds, in KiB. */
async function measure(): Promise<{ files: number; memory: number }> {
  const script = 'ls /proc/"$1"/fd | wc -l; ps -o rss= -p "$1"';
  let files = 0;
  let memory = Infinity;
  for (let reading = 0; reading < 10; reading++) {
    await sleep(500);
    const { stdout } = await startShell(script, `${server.pid}`).end();
    const [open, resident] = stdout.split("\n").map(Number);
    files = open!;
    memory = Math.min(memory, resident!);
  }
  return { files, memory };
}
