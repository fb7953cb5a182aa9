/**
 * What takes time: the limit of `client.ts`, the patience of `server()`, and, in
 * the meantime, storms of clients, and what kills the README's shortest port.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connect,
  exchange,
  listen,
  missing,
  Peer,
  readAll,
  readOnce,
  runProgram,
  runPython,
  startProgram,
  startPython,
  startServer,
  startStarvedServer,
  test,
  within,
  writeAll,
} from "./helpers.ts";
import { server } from "../socket_preview.ts";
import { blockAfter, readme, startCommands, startShortest } from "./readme.ts";

test("in 10 seconds, client.ts gives up, server() does not, and meanwhile:", async (context) => {
  using listener = listen();
  const start = performance.now();
  await using several = startProgram("client.ts", "one", "answered", "two");
  await using single = startProgram("client.ts", "single");
  const elapsed: number[] = [];
  const ended = [several, single].map(async (clients) => {
    const outcome = await clients.end();
    elapsed.push(performance.now() - start);
    return outcome;
  });
  const accepted: Deno.Conn[] = [];
  while (accepted.length < 4) {
    const connection = await within(listener.accept(), "a client connects");
    accepted.push(connection);
    const name = await readOnce(connection);
    if (name === "answered") await writeAll(connection, "yes");
  }
  const serving = server(listener);
  using typist = await connect();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  listener.close(); // so that others can listen on the port
  await within(serving, "server() returns");

  const need = missing.sh || missing.python3;
  for (const [name, fn] of Object.entries(meanwhile)) {
    await context.step({
      name: name + (need && ` (${need})`),
      fn,
      ignore: need !== "",
      // The clients above would look like something that a step left open.
      sanitizeOps: false,
      sanitizeResources: false,
    });
  }

  const late = (count: number, first: string) =>
    `client.ts: names without an answer after 10 s: ${count}, first "${first}";` +
    " is the server stuck?\n";
  assertEquals(await Promise.all(ended), [
    { code: 1, stdout: "client got: [b'yes']\n", stderr: late(2, "one") },
    { code: 1, stdout: "", stderr: late(1, "single") },
  ]);
  for (const milliseconds of elapsed) {
    const isInTime = milliseconds >= 10_000 && milliseconds < 15_000;
    assert(isInTime, `it took ${milliseconds} ms`);
  }
  for (const connection of accepted) connection.close();
  await writeAll(typist, "at last");
  assertEquals(await readAll(typist), "server got: [b'at last']");
});

const meanwhile = {
  "a storm costs server.ts no proper client": async () => {
    await using server = await startServer();
    await outliveStorm(1000, 500);
    assertEquals(server.stderr, "");
  },
  "nor with 1024 descriptors": async () => {
    await using server = await startStarvedServer(1024);
    await outliveStorm(2000, 1000, server);
  },
  "a reset kills the README's shortest port": async () => {
    await using shortest = await startListening();
    await runCommand("**A reset.**");
    // On a busy machine, even this one may come before accept.
    const { stderr } = await shortest.end();
    assertMatch(stderr, /^error: .*(ConnectionReset|NotConnected)/);
  },
  "a reset before accept kills it, too": async () => {
    await using shortest = await startListening();
    const { stdout } = await runCommand("**A reset before accept.**");
    assertEquals(stdout, `b"server got: [b'hello']"\n`);
    assertMatch((await shortest.end()).stderr, /^error: .*NotConnected/);
  },
  "silent clients keep it from answering": async () => {
    await using _shortest = await startListening();
    const { stderr } = await runCommand("**Silence.**");
    assertMatch(stderr, /^TimeoutError\b.*\n$/m);
  },
  "a backlog of 5 makes its clients wait": async () => {
    const five = "{ hostname, port, tcpBacklog: 5 }";
    assert(readme.includes(five));
    await using _shortest = await startListening((source) =>
      source.replace("{ hostname, port }", five)
    );
    assert(await timeTwenty() > 900, "twenty did not wait");
  },
  "server.ts outlives all that, and a storm, with 64 descriptors": async () => {
    await using server = await startStarvedServer(64);
    await runCommand("**A reset.**");
    for (const fault of ["**A reset before accept.**", "**Silence.**"]) {
      const { stdout } = await runCommand(fault);
      assertEquals(stdout, `b"server got: [b'hello']"\n`);
    }
    await outliveStorm(200, 300, server);
    assert(await timeTwenty() < 900, "twenty had to wait");
  },
};

/** Silent clients, then proper ones beside them, then many proper ones at once. */
async function outliveStorm(silent: number, burst: number, starved?: Peer) {
  await using storm = startPython("faults.py", "silent", `${silent}`);
  await storm.printed("silent");
  await starved?.printed("accept: Too many open files");
  await using _deaf = startPython("faults.py", "deaf", "30");
  for (let count = 0; count < 20; count++) {
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  }
  const { stdout } = await runPython("faults.py", "burst", `${burst}`);
  assertEquals(stdout, `${burst}\n`);
}

/** Starts the README's shortest port, and waits until its clients are done. */
async function startListening(change?: (source: string) => string) {
  const shortest = startShortest(change);
  for (let i = 0; i < 5; i++) await shortest.printed(`client${i}`);
  return shortest;
}

/** Runs the command with which the README shows a fault. */
async function runCommand(fault: string) {
  return await startCommands(`exec ${blockAfter(fault)}`).end();
}

/** Has twenty clients connect at once, and returns how long that takes, in ms. */
async function timeTwenty(): Promise<number> {
  const start = performance.now();
  const { code, stderr } = await runProgram("client.ts", "--count", "20");
  assertEquals(stderr, "");
  assertEquals(code, 0);
  return performance.now() - start;
}
