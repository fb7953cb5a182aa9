/**
 * What takes time: the limit of `client.ts`, the patience of `server()`, and, in
 * the meantime, storms of clients.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { server } from "../socket_preview.ts";
import {
  connect,
  exchange,
  fiveLines,
  listen,
  missing,
  readAll,
  readOnce,
  runProgram,
  runPython,
  sortLines,
  startProgram,
  startPython,
  startServer,
  startStarvedServer,
  test,
  writeAll,
} from "./helpers.ts";

/** Silent clients, then proper ones beside them, then many proper ones at once. */
const storms = [
  { descriptors: "plenty of", silent: 2000, burst: 1000 },
  { descriptors: 1024, silent: 3000, burst: 1500 },
  { descriptors: 64, silent: 200, burst: 300 },
];

test("in 10 seconds, client.ts gives up, server() does not, and meanwhile:", async (context) => {
  const listener = listen();
  const start = performance.now();
  await using clients = startProgram("client.ts", "mute", "answered", "mute");
  let elapsed = 0;
  const ended = clients.end().then((outcome) => {
    elapsed = performance.now() - start;
    return outcome;
  });
  const accepted: Deno.Conn[] = [];
  while (accepted.length < 3) {
    const connection = await listener.accept();
    accepted.push(connection);
    const name = await readOnce(connection);
    if (name === "answered") await writeAll(connection, "yes");
  }
  const serving = server(listener);
  using typist = await connect();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  listener.close(); // so that others can listen on the port
  await serving;

  // What is under way out here would look like something that a step left open.
  const sanitize = { sanitizeOps: false, sanitizeResources: false };
  for (const { descriptors, silent, burst } of storms) {
    const need = missing.sh || missing.python3;
    await context.step({
      name: `${descriptors} descriptors: a storm costs no proper client` +
        (need && ` (${need})`),
      fn: () => outliveStorm(descriptors, silent, burst),
      ignore: need !== "",
      ...sanitize,
    });
  }
  await context.step({
    name: "socket_preview.ts prints the same 100 times in a row",
    fn: () => runOften(100),
    ...sanitize,
  });

  assertEquals(await ended, {
    code: 1,
    stdout: "client got: [b'yes']\n",
    stderr: "client.ts: names without an answer after 10 s: 2, first" +
      ' "mute"; is the server stuck?\n',
  });
  assert(elapsed >= 10_000 && elapsed < 15_000, `it took ${elapsed} ms`);
  for (const connection of accepted) connection.close();
  await writeAll(typist, "at last");
  assertEquals(await readAll(typist), "server got: [b'at last']");
});

async function runOften(times: number) {
  for (let run = 0; run < times; run++) {
    const { code, stdout, stderr } = await runProgram("socket_preview.ts");
    assertEquals(sortLines(stdout), fiveLines);
    assertEquals(stderr, "");
    assertEquals(code, 0);
  }
}

async function outliveStorm(
  descriptors: number | string,
  silent: number,
  burst: number,
) {
  const isStarved = typeof descriptors === "number";
  await using server = isStarved
    ? await startStarvedServer(descriptors)
    : await startServer();
  await using storm = startPython("faults.py", "silent", `${silent}`);
  await storm.printed("silent");
  if (isStarved) await server.printed("accept: Too many open files");
  await using _deaf = startPython("faults.py", "deaf", "30");
  for (let count = 0; count < 20; count++) {
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  }
  const { stdout } = await runPython("faults.py", "burst", `${burst}`);
  assertEquals(stdout, `${burst}\n`);
}
