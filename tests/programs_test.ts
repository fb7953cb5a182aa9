/**
 * The promises of `server.ts` and `client.ts`, as programs of their own, and of
 * their talking with Python on either side.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  encode,
  exchange,
  linesOfCode,
  listen,
  Peer,
  readOnce,
  replyTo,
  root,
  runProgram,
  runPython,
  sortLines,
  startProgram,
  startPython,
  test,
  testWith,
  until,
} from "./helpers.ts";

/** Starts `server.ts`, and waits until it accepts connections. */
async function startServer(): Promise<Peer> {
  const peer = startProgram("server.ts");
  await peer.printed("server listening on localhost:50008\n");
  return peer;
}

for (const file of ["socket_preview.ts", "server.ts", "client.ts"]) {
  test(`${file} can be run as a command, with its permission`, async () => {
    const source = await Deno.readTextFile(new URL(file, root));
    const shebang = "#!/usr/bin/env -S deno run --allow-net=localhost:50008\n";
    assertEquals(source.slice(0, shebang.length), shebang);
    const { mode } = await Deno.stat(new URL(file, root));
    assert(mode === null || (mode & 0o111) === 0o111, "it has no run bit");
  });
}

for (const file of ["server.ts", "client.ts"]) {
  test(`${file} has no more than 45 lines of code`, async () => {
    const lines = linesOfCode(await Deno.readTextFile(new URL(file, root)));
    assert(lines <= 45, `${lines} lines of code`);
  });
}

test("server.ts prints one line, answers, and runs until Ctrl-C", async () => {
  await using server = await startServer();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(await exchange("again"), "server got: [b'again']");
  server.kill("SIGINT");
  const { code, stdout, stderr } = await server.end();
  assertEquals(stdout, "server listening on localhost:50008\n");
  assertEquals(stderr, "");
  assertEquals(code, 130);
});

test("server.ts --help prints its usage", async () => {
  const { code, stdout, stderr } = await runProgram("server.ts", "--help");
  assertMatch(stdout, /^Usage: server\.ts \[--help\]\n/);
  assertEquals(stderr, "");
  assertEquals(code, 0);
});

test("server.ts refuses every argument but --help", async () => {
  for (const args of [["--port=80"], ["name"], ["--help", "me"], [""]]) {
    const { code, stdout, stderr } = await runProgram("server.ts", ...args);
    assertEquals(stdout, "");
    assertMatch(stderr, /^server\.ts .*no arguments.*\nUsage: server\.ts /);
    assertEquals(code, 2);
  }
});

test("server.ts says in one line that its port is taken, and what to do", async () => {
  using _listener = listen();
  const { code, stdout, stderr } = await runProgram("server.ts");
  assertEquals(stdout, "");
  assertMatch(stderr, /^server\.ts: port 50008 is taken: stop .*\n$/);
  assertEquals(code, 1);
});

testWith(
  "python3",
  "server.ts says in one line whose connection failed",
  async () => {
    await using server = await startServer();
    await runPython("faults.py", "reset-late", "1");
    await until(() => server.stderr.includes("\n"), "the failure is printed");
    assertMatch(
      server.stderr,
      /^server\.ts: (127\.0\.0\.1|\[::1\]):\d+: Connection reset.*\n$/,
    );
  },
);

testWith(
  "python3",
  "server.ts prints few lines in a storm of failures, and answers",
  async () => {
    await using server = await startServer();
    server.kill("SIGSTOP");
    await runPython("faults.py", "reset", "300");
    server.kill("SIGCONT");
    await runPython("faults.py", "reset", "300");
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    const lines = server.stderr.trimEnd().split("\n");
    assertEquals(lines.length, 10);
    for (const line of lines) assertMatch(line, /^server\.ts: .+: .+/);
  },
);

testWith("python3", "server.ts is ready for 100 clients at once", async () => {
  // With a backlog of 5, all but six would wait for a second or longer.
  await using server = await startServer();
  server.kill("SIGSTOP");
  const start = performance.now();
  await using clients = startPython("faults.py", "hold", "100");
  await clients.printed("holding");
  const elapsed = performance.now() - start;
  assert(elapsed < 900, `100 clients took ${elapsed} ms to connect`);
  server.kill("SIGCONT");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
});

test("client.ts prints a line for each name", async () => {
  await using _server = await startServer();
  const names = ["Alice", "007", "1e3", "true", "-", "--", "--count", "-h"];
  const { code, stdout, stderr } = await runProgram("client.ts", ...names);
  const sent = names.filter((name) => name !== "--");
  assertEquals(sortLines(stdout), sortLines(sent.map(replyTo).join("")));
  assertEquals(stderr, "");
  assertEquals(code, 0);
});

test("client.ts without arguments is one client, named after its process", async () => {
  await using _server = await startServer();
  const { code, stdout } = await runProgram("client.ts");
  assertMatch(
    stdout,
    /^client got: \[b"server got: \[b'client:process=\d+'\]"\]\n$/,
  );
  assertEquals(code, 0);
});

test("client.ts --count runs numbered clients", async () => {
  await using _server = await startServer();
  for (const args of [["--count", "3"], ["--count=3"]]) {
    const { code, stdout } = await runProgram("client.ts", ...args);
    const names = ["client0", "client1", "client2"];
    assertEquals(sortLines(stdout), names.map(replyTo).join(""));
    assertEquals(code, 0);
  }
  const { code, stdout } = await runProgram("client.ts", "--count", "1000");
  assertEquals(stdout.split("\n").length, 1001);
  assertEquals(code, 0);
});

test("client.ts prints each reply as it comes, before a slow one", async () => {
  const listener = listen();
  await using clients = startProgram("client.ts", "slow", "quick");
  const connections: Record<string, Deno.Conn> = {};
  for (let number = 0; number < 2; number++) {
    const connection = await listener.accept();
    connections[await readOnce(connection)] = connection;
  }
  await connections.quick.write(encode("first"));
  await clients.printed("client got: [b'first']\n");
  await connections.slow.write(encode("second"));
  assertEquals((await clients.end()).code, 0);
  for (const connection of Object.values(connections)) connection.close();
  listener.close();
});

test("client.ts prints its usage on request", async () => {
  for (const option of ["--help", "-h"]) {
    const { code, stdout, stderr } = await runProgram("client.ts", option);
    assertMatch(stdout, /^Usage: client\.ts \[--count N\] \[NAME \.\.\.\]\n/);
    assertEquals(stderr, "");
    assertEquals(code, 0);
  }
});

test("client.ts refuses wrong arguments, and sends nothing", async () => {
  using listener = listen();
  const accepted: Deno.Conn[] = [];
  const accepting = listener.accept().then(
    (connection) => accepted.push(connection),
    () => {},
  );
  const wrong = {
    "--count 3 Alice": "--count takes no names",
    "--count": "--count takes",
    "--count=": "--count takes",
    "--count 0": 'not "0"',
    "--count 1001": 'not "1001"',
    "--count 2.5": 'not "2.5"',
    "--count three": 'not "three"',
    "--loud": "no option --loud",
    "--no-help": "no option --no-help",
    "--_=Alice": "no option --_=Alice",
    "-x": "no option -x",
  };
  const outcomes = await Promise.all(
    Object.keys(wrong).map((args) =>
      runProgram("client.ts", ...args.split(" "))
    ),
  );
  Object.values(wrong).forEach((problem, index) => {
    const { code, stdout, stderr } = outcomes[index];
    assertEquals(stdout, "");
    const [line, usage] = stderr.split("\n");
    assert(line.startsWith("client.ts: ") && line.includes(problem), line);
    assertMatch(usage, /^Usage: client\.ts /);
    assertEquals(code, 2);
  });
  listener.close();
  await accepting;
  assertEquals(accepted, []);
});

test("client.ts says in one line that there is no server, and how to start one", async () => {
  for (const names of [["Alice"], ["Alice", "Bob", "Carol"]]) {
    const { code, stdout, stderr } = await runProgram("client.ts", ...names);
    assertEquals(stdout, "");
    assertEquals(
      stderr,
      "no server on localhost:50008, start one: deno task server\n",
    );
    assertEquals(code, 1);
  }
});

test("client.ts says in one line each which clients fail; the others finish", async () => {
  await using _server = await startServer();
  const names = ["Alice", "", "x".repeat(1025), "Bob"];
  const { code, stdout, stderr } = await runProgram("client.ts", ...names);
  assertEquals(sortLines(stdout), replyTo("Alice") + replyTo("Bob"));
  const lines = stderr.trimEnd().split("\n");
  assertEquals(lines.length, 2);
  assertMatch(lines[0], /^client\.ts: "": .*\b0 bytes/);
  assertMatch(lines[1], /^client\.ts: "x+": .*\b1025 bytes/);
  assertEquals(code, 1);
});

test("deno task client passes arguments on as they are typed", async () => {
  await using _server = await startServer();
  const names = ["two  words", "Grüße", "$HOME", "*", "a;b", "#", "--", "-x"];
  const task = new Peer(Deno.execPath(), "task", "-q", "client", ...names);
  const { code, stdout, stderr } = await task.end();
  const sent = names.filter((name) => name !== "--").map((name) =>
    name === "Grüße" ? "Gr\\\\xc3\\\\xbc\\\\xc3\\\\x9fe" : name
  );
  assertEquals(sortLines(stdout), sortLines(sent.map(replyTo).join("")));
  assertEquals(stderr, "");
  assertEquals(code, 0);
});

const names = [
  "Alice",
  "Grüße 🦕",
  `it's "quoted" \\ back\\slash`,
  "x".repeat(1000),
];

testWith(
  "python3",
  "Deno and Python print the same, whichever of them is the server",
  async () => {
    const printed: Record<string, string> = {};
    for (const side of ["Deno", "Python"]) {
      await using server = side === "Deno"
        ? startProgram("server.ts")
        : startPython("original.py", "server");
      await server.printed("listening");
      const python = await runPython("original.py", "client", ...names);
      const deno = await runProgram("client.ts", ...names);
      for (const { code, stderr } of [python, deno]) {
        assertEquals(stderr, "");
        assertEquals(code, 0);
      }
      printed[`Python to ${side}`] = sortLines(python.stdout);
      printed[`Deno to ${side}`] = sortLines(deno.stdout);
    }
    const expected = printed["Python to Python"];
    assertEquals(expected.split("\n").length, names.length + 1);
    for (const [pair, text] of Object.entries(printed)) {
      assertEquals(text, expected, pair);
    }
  },
);
