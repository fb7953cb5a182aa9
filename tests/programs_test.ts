/**
 * The promises of `server.ts` and `client.ts`, as programs of their own, and of
 * their talking with Python on either side.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  denoRun,
  encode,
  exchange,
  linesOfCode,
  listen,
  Peer,
  readOnce,
  readProject,
  replyTo,
  root,
  runAlone,
  runProgram,
  runPython,
  runShell,
  sortLines,
  startProgram,
  startPython,
  startServer,
  startShell,
  test,
  testWith,
  until,
  within,
} from "./helpers.ts";

for (const file of ["socket_preview.ts", "server.ts", "client.ts"]) {
  test(`${file} can be run as a command, with its permission`, async () => {
    const source = await readProject(file);
    const shebang = "#!/usr/bin/env -S deno run --allow-net=localhost:50008\n";
    assertEquals(source.slice(0, shebang.length), shebang);
    const { mode } = await Deno.stat(new URL(file, root));
    assert(mode === null || (mode & 0o111) === 0o111, "it has no run bit");
  });
}

for (
  const [file, limit] of Object.entries({ "server.ts": 45, "client.ts": 50 })
) {
  test(`${file} has no more than ${limit} lines of code`, async () => {
    const lines = linesOfCode(await readProject(file));
    assert(lines <= limit, `${lines} lines of code`);
  });
}

const serverUsage = `Usage: server.ts [-h | --help]
Answers everyone who connects to localhost:50008, until Ctrl-C.
`;

test("server.ts prints one line, answers, and runs until Ctrl-C", async () => {
  await using server = await startServer();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(await exchange("again"), "server got: [b'again']");
  server.kill("SIGINT");
  assertEquals(await server.end(), {
    code: 130,
    stdout: "server listening on localhost:50008\n",
    stderr: "",
  });
});

test("server.ts -h and --help print its usage", async () => {
  for (const args of [["-h"], ["--help"], ["--help", "-h"]]) {
    const outcome = await runProgram("server.ts", ...args);
    assertEquals(outcome, { code: 0, stdout: serverUsage, stderr: "" });
  }
});

test("server.ts refuses every other argument, and names it in one line", async () => {
  const wrong: [string, string[]][] = [
    ['"--port=80"', ["--port=80"]],
    ['"x"', ["--help", "x"]],
    ['""', [""]],
    ['"-hh"', ["-hh"]],
    ['"x-h"', ["x-h"]],
    ['"\\x1b[2J\\n"', ["\x1b[2J\n"]],
    [`"${"a\\n".repeat(30)}"... 40 more characters`, ["a\n".repeat(50)]],
  ];
  for (const [shown, args] of wrong) {
    assertEquals(await runProgram("server.ts", ...args), {
      code: 2,
      stdout: "",
      stderr: `server.ts: no such argument: ${shown}\n${serverUsage}`,
    });
  }
});

test("server.ts says in one line that its port is taken, and what to do", async () => {
  using _listener = listen();
  assertEquals(await runProgram("server.ts"), {
    code: 1,
    stdout: "",
    stderr: "server.ts: port 50008 is taken: stop what listens there, or wait" +
      " a minute if it has ended\n",
  });
});

test("server.ts says in one line which permission it lacks", async () => {
  const flags = denoRun("--allow-net=localhost:50009");
  const peer = new Peer(Deno.execPath(), ...flags, "server.ts");
  assertEquals(await peer.end(), {
    code: 1,
    stdout: "",
    stderr: "server.ts: no permission to listen: add" +
      " --allow-net=localhost:50008\n",
  });
});

testWith("sh", "server.ts says in one line that it cannot print", async () => {
  const command = `exec "$0" ${denoRun().join(" ")} server.ts`;
  const { code, stderr } = await runShell(`${command} >/dev/full`);
  assertMatch(stderr, /^server\.ts: No space left on device.*\n$/);
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
      /^server\.ts: (127\.0\.0\.1|::1) port \d+: Connection reset.*\)\n$/,
    );
  },
);

testWith(
  "python3",
  "server.ts prints at most ten failures in any ten seconds, and says so",
  async () => {
    await using server = await startServer("--preload=tests/peers/clock.ts");
    const more = " (10 in 10 s: no more for now)";
    let seen = 0;
    /** Has some clients reset, and returns what follows their error message. */
    const fail = async (count: number) => {
      server.kill("SIGSTOP"); // so that they reset before they are accepted
      await runPython("faults.py", "reset", `${count}`);
      server.kill("SIGCONT");
      assertEquals(await exchange("hello"), "server got: [b'hello']");
      await until(() => server.stderr.length > seen, "a failure is printed");
      const lines = server.stderr.slice(seen).trimEnd().split("\n");
      seen = server.stderr.length;
      return lines.map((line) => {
        assertMatch(line, /^server\.ts: accept: \w.*\)/);
        return line.replace(/^.*?\)/, "");
      });
    };
    assertEquals(await fail(1), [""]);
    server.kill("SIGUSR2");
    await server.printed("the clock is at 9999\n");
    assertEquals(await fail(12), [...Array(8).fill(""), more]);
    server.kill("SIGHUP");
    await server.printed("the clock is at 10000\n");
    assertEquals(await fail(3), [more]);
    server.kill("SIGUSR2");
    await server.printed("the clock is at 19999\n");
    assertEquals(await fail(300), [...Array(8).fill(""), more]);
  },
);

testWith(
  "python3",
  "server.ts goes on if its standard error cannot be written",
  async () => {
    const command = `exec "$0" ${denoRun().join(" ")} server.ts`;
    await using server = startShell(`${command} 2>/dev/full`);
    await server.printed("listening");
    await runPython("faults.py", "reset-late", "2");
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  },
);

testWith("python3", "server.ts is ready for 100 clients at once", async () => {
  // With a backlog of 5, all but six would wait for a second or longer.
  await using server = await startServer();
  server.kill("SIGSTOP");
  const start = performance.now();
  await using clients = startPython("faults.py", "deaf", "100");
  await clients.printed("deaf");
  const elapsed = performance.now() - start;
  assert(elapsed < 900, `100 clients took ${elapsed} ms to connect`);
  server.kill("SIGCONT");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
});

const clientUsage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends each NAME to localhost:50008, all at the same time, and prints the replies.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
`;

test("client.ts prints a line for each name", async () => {
  await using _server = await startServer();
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", "- x"];
  const dashes = ["--", "--count", "-h", "--", "12"];
  const outcome = await runProgram("client.ts", ...names, ...dashes);
  const sent = [...names, ...dashes.slice(1)];
  assertEquals(
    sortLines(outcome.stdout),
    sortLines(sent.map(replyTo).join("")),
  );
  assertEquals(outcome, { code: 0, stdout: outcome.stdout, stderr: "" });
});

test("client.ts sends a name once, even one that begins like options", async () => {
  await using _server = await startServer();
  const { code, stdout, stderr } = await runProgram("client.ts", "-\nx");
  assertEquals(stdout, `client got: [b"server got: [b'-\\\\nx']"]\n`);
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

test("client.ts --count runs numbered clients, 1 to 1000 of them", async () => {
  await using _server = await startServer();
  for (const args of [["--count", "3"], ["--count=3"]]) {
    const { code, stdout } = await runProgram("client.ts", ...args);
    const names = ["client0", "client1", "client2"];
    assertEquals(sortLines(stdout), names.map(replyTo).join(""));
    assertEquals(code, 0);
  }
  for (const count of [1, 9, 100, 1000]) {
    const { code, stdout } = await runProgram("client.ts", `--count=${count}`);
    assertEquals(stdout.split("\n").length, count + 1);
    assertEquals(code, 0);
  }
});

test("client.ts prints each reply as it comes, before a slow one", async () => {
  using listener = listen();
  await using clients = startProgram("client.ts", "slow", "quick");
  const connections: Record<string, Deno.Conn> = {};
  for (let number = 0; number < 2; number++) {
    const connection = await within(listener.accept(), "a client connects");
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
    const outcome = await runProgram("client.ts", option);
    assertEquals(outcome, { code: 0, stdout: clientUsage, stderr: "" });
  }
});

test("client.ts refuses wrong arguments in one line, and sends nothing", async () => {
  using listener = listen();
  const accepted: Deno.Conn[] = [];
  const accepting = listener.accept().then(
    (connection) => accepted.push(connection),
    () => {},
  );
  const long = `-${"a\n".repeat(50)}`;
  const cut = `"-${"a\\n".repeat(29)}a"... 41 more characters`;
  const wrong: [string, ...string[]][] = [
    ["--count takes no names", "--count", "3", "Alice"],
    ['--count takes 1 to 1000, not ""', "--count"],
    ['--count takes 1 to 1000, not ""', "--count="],
    ['--count takes 1 to 1000, not "0"', "--count", "0"],
    ['--count takes 1 to 1000, not "1001"', "--count", "1001"],
    ['--count takes 1 to 1000, not "10000"', "--count", "10000"],
    ['--count takes 1 to 1000, not "2.5"', "--count", "2.5"],
    ['--count takes 1 to 1000, not "x5"', "--count", "x5"],
    ['--count takes 1 to 1000, not "\\x1b[2J"', "--count", "\x1b[2J"],
    ['no such option: "--loud"', "Alice", "--loud"],
    ['no such option: "--no-help"', "--no-help"],
    ['no such option: "--_=Alice"', "--_=Alice"],
    ['no such option: "-x"', "-x"],
    ['no such option: "-xh"', "-xh"],
    ['no such option: "-hx"', "-hx"],
    [`no such option: ${cut}`, long],
  ];
  const outcomes = await Promise.all(
    wrong.map(([_, ...args]) => runProgram("client.ts", ...args)),
  );
  wrong.forEach(([problem], index) => {
    const stderr = `client.ts: ${problem}\n${clientUsage}`;
    assertEquals(outcomes[index], { code: 2, stdout: "", stderr });
  });
  listener.close();
  await accepting;
  assertEquals(accepted, []);
});

const noServer = "client.ts: no server on localhost:50008, start one:" +
  " deno task server, or npx --yes deno@2 task server\n";

test("client.ts says in one line that there is no server, and how to start one", async () => {
  for (const names of [["Alice"], ["Alice", "Bob", "Carol"]]) {
    const outcome = await runProgram("client.ts", ...names);
    assertEquals(outcome, { code: 1, stdout: "", stderr: noServer });
  }
});

testWith(
  "unshare",
  "client.ts says that there is no server where it would meet itself",
  async () => {
    const outcome = await runAlone(
      "run",
      ...denoRun().slice(1),
      "client.ts",
      "A",
    );
    assertEquals(outcome, { code: 1, stdout: "", stderr: noServer });
  },
);

test("client.ts says once for all names which permission it lacks", async () => {
  const flags = denoRun("--allow-net=localhost:50009");
  const peer = new Peer(Deno.execPath(), ...flags, "client.ts", "A", "B");
  assertEquals(await peer.end(), {
    code: 1,
    stdout: "",
    stderr: "client.ts: no permission to connect: add" +
      " --allow-net=localhost:50008\n",
  });
});

test("client.ts says in one line each which clients fail; the others finish", async () => {
  await using _server = await startServer();
  const names = ["Alice", "", "x\n".repeat(513), "Bob"];
  const outcome = await runProgram("client.ts", ...names);
  const long = `"${"x\\n".repeat(30)}"... 966 more characters`;
  assertEquals({ ...outcome, stdout: sortLines(outcome.stdout) }, {
    code: 1,
    stdout: replyTo("Alice") + replyTo("Bob"),
    stderr: `client.ts: "": 0 bytes, not 1-1024
client.ts: ${long}: 1026 bytes, not 1-1024
`,
  });
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

testWith(
  "sh",
  "a peer is ended with the tests, even if they are killed",
  async () => {
    const script = `const { startServer } = await import("./tests/helpers.ts");
    const server = await startServer();
    server.kill("SIGSTOP"); // as some tests do
    console.log("started");
    await new Promise(() => {});`;
    await using tests = startShell('exec "$0" eval -q "$1"', script);
    await tests.printed("started");
    tests.kill("SIGKILL");
    await tests.end();
    await until(isPortFree, "the port is free");
  },
);

function isPortFree(): boolean {
  try {
    listen().close();
    return true;
  } catch {
    return false;
  }
}

testWith(
  "sh",
  "a peer that lasts too long is killed, and its children not waited for",
  async () => {
    const start = performance.now();
    // Four seconds, but no longer than the tests, if those are interrupted.
    const child = `(for _ in $(seq 40)
      do kill -0 ${Deno.pid} || exit; sleep 0.1; done)`;
    const codes = [`${child}; true`, `${child} & true`].map(async (script) =>
      (await startShell(script).end(200)).code
    );
    assertEquals(await Promise.all(codes), [137, 0]);
    const elapsed = performance.now() - start;
    assert(elapsed < 4000, `it took ${elapsed} ms`);
  },
);
