/**
 * Puts 200,000 exchanges on one server, a tenth of them with clients that
 * misbehave: `deno task soak`. The first half warms the server up. After that,
 * it must not use more files and memory. Needs Linux, for /proc.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { connect, exchange, sleep } from "./helpers.ts";
import { reset } from "./peers/reset.ts";
import { deno, preload, start } from "./program.ts";

// V8 collects garbage only when it likes.
const collect = preload(`Deno.unrefTimer(setInterval(() =>
  gc({ type: "major", execution: "sync", flavor: "last-resort" }), 1000))`);
await using server = start(
  deno("--v8-flags=--expose-gc", collect, "server.ts"),
);
await server.printed("listening");

await runLaps(10);
const atHalf = await measure();
await runLaps(10);
const atEnd = await measure();
console.log("at half:", atHalf, "at the end:", atEnd);
assertEquals(atEnd.files, atHalf.files);
assert(atEnd.memory < atHalf.memory * 1.1, "memory grew by a tenth or more");

/** Makes 10,000 exchanges in each lap, and checks the well-behaved ones. */
async function runLaps(laps: number) {
  for (let lap = 0; lap < laps; lap++) {
    using silent = new DisposableStack();
    for (let count = 0; count < 250; count++) silent.use(await connect());
    const load = Promise.all(Array.from({ length: 50 }, async () => {
      for (let count = 0; count < 180; count++) {
        assertEquals(await exchange("hello"), "server got: [b'hello']");
      }
    }));
    for (let count = 0; count < 375; count++) {
      await reset();
      using conn = await connect();
      await conn.write(new Uint8Array(5000)).catch(() => {});
    }
    await load;
  }
}

/** The server's open files, and its memory in pages. */
async function measure(): Promise<{ files: number; memory: number }> {
  await sleep(3000); // until garbage is collected
  const statm = await Deno.readTextFile(`/proc/${server.child.pid}/statm`);
  const files = [...Deno.readDirSync(`/proc/${server.child.pid}/fd`)].length;
  return { files, memory: Number(statm.split(" ")[1]) };
}
