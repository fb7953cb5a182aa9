/**
 * The promises of `client.ts`: its arguments, its messages, its limit of ten
 * seconds, and that it can talk to Python.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  encode,
  listen,
  readAll,
  readOnce,
  replyTo,
  sortLines,
  test,
  within,
} from "./helpers.ts";
import {
  denoRun,
  preload,
  Program,
  run,
  start,
  startServer,
  startShell,
  startStarved,
} from "./program.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends all NAMEs to localhost:50008 at the same time, and prints the replies.
Without a NAME, sends client:process=PID, with the ID of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
`;
const noServer = "client.ts: no server on localhost:50008: start one with" +
  " deno task server, or npx --yes deno@2 task server";

test("client.ts prints a reply for each name, as it was typed", async () => {
  await using _server = await startServer();
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", " "];
  const afterDashes = ["--count", "-h", "--", "12", "--_=x", "- x"];
  const { code, stdout, stderr } = await run(
    "client.ts",
    ...names,
    "--",
    ...afterDashes,
  );
  const lines = [...names, ...afterDashes].map(replyTo);
  assertEquals(sortLines(stdout), sortLines(lines.join("")));
  assertEquals([code, stderr], [0, ""]);
});

test("client.ts without a name sends one with its process ID", async () => {
  await using _server = await startServer();
  const { code, stdout, stderr } = await run("client.ts");
  assertMatch(
    stdout,
    /^client got: \[b"server got: \[b'client:process=\d+'\]"\]\n$/,
  );
  assertEquals([code, stderr], [0, ""]);
});

test("client.ts --count sends numbered names, up to 1000", async () => {
  await using _server = await startServer();
  for (
    const args of [["--count=1"], ["--count", "9"], ["--count=1000"], [
      "--count=9",
      "--count",
      "3",
    ]]
  ) {
    const { code, stdout, stderr } = await run("client.ts", ...args);
    const count = Number(args.at(-1)!.replace("--count=", ""));
    const lines = Array.from(
      { length: count },
      (_, i) => replyTo(`client${i}`),
    );
    assertEquals(sortLines(stdout), sortLines(lines.join("")));
    assertEquals([code, stderr], [0, ""]);
  }
});

test("client.ts prints its usage if asked", async () => {
  for (const option of ["--help", "-h"]) {
    const outcome = await run("client.ts", "x", option);
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
});

test("client.ts says on one line which argument is wrong", async () => {
  const long = `-${"a\n".repeat(50)}`;
  const cut = `"-${"a\\n".repeat(29)}a"... 41 more characters`;
  const wrong: [string, ...string[]][] = [
    ["--count and names exclude each other", "--count", "3", "Alice"],
    ['--count must be 1 to 1000, not ""', "--count"],
    ['--count must be 1 to 1000, not ""', "--count="],
    ['--count must be 1 to 1000, not "0"', "--count", "0"],
    ['--count must be 1 to 1000, not "1001"', "--count", "1001"],
    ['--count must be 1 to 1000, not "10000"', "--count", "10000"],
    ['--count must be 1 to 1000, not "2.5"', "--count", "2.5"],
    ['--count must be 1 to 1000, not "x5"', "--count", "x5"],
    ['--count must be 1 to 1000, not "\\x1b[2J"', "--count", "\x1b[2J"],
    ['no such option: "--loud"', "Alice", "--loud"],
    ['no such option: "--no-help"', "--no-help"],
    ['no such option: "--_=Alice"', "--_=Alice"],
    ['no such option: "-x"', "-x"],
    ['no such option: "-xh"', "-xh"],
    ['no such option: "- x"', "- x"],
    [`no such option: ${cut}`, long],
  ];
  for (const [problem, ...args] of wrong) {
    const stderr = `client.ts: ${problem}\n${usage}`;
    const outcome = await run("client.ts", ...args);
    assertEquals(outcome, { code: 2, stdout: "", stderr });
  }
});

test("client.ts says once that there is no server, and how to start one", async () => {
  const one = await run("client.ts", "Alice");
  assertEquals(one, { code: 1, stdout: "", stderr: `${noServer}\n` });
  const three = await run("client.ts", "Alice", "Bob", "Carol");
  const stderr = `${noServer} (3 of 3 names, first "Alice")\n`;
  assertEquals(three, { code: 1, stdout: "", stderr });
});

test("client.ts does not take itself for the server", "unshare", async () => {
  // In this network, clients can only have the port of the missing server.
  const script = `exec unshare -rn sh -c 'ip link set lo up &&
    echo 50008 50008 >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"' sh "$0" "$@"`;
  const client = startShell(script, ...denoRun(), "client.ts", "Alice");
  const stderr = `${noServer}\n`;
  assertEquals(await client.end(), { code: 1, stdout: "", stderr });
});

/** Preloaded, has the client's connections come from other addresses. */
function comeFrom(...addresses: { hostname?: string; port?: number }[]) {
  const { connect } = Deno;
  Deno.connect = (async (options: Deno.ConnectOptions) => {
    const connection = await connect(options);
    const value = { ...connection.localAddr, ...addresses.shift() };
    return Object.defineProperty(connection, "localAddr", { value });
  }) as typeof Deno.connect;
}

test("client.ts may have the server's port on another address", async () => {
  await using _server = await startServer();
  const away = preload(comeFrom, { hostname: "10.0.0.1", port: 50008 });
  const outcome = await run(away, "client.ts", "Alice");
  assertEquals(outcome, { code: 0, stdout: replyTo("Alice"), stderr: "" });
});

test("client.ts says once which permission it lacks", async () => {
  const args = [...denoRun("--allow-net=localhost:50009"), "client.ts"];
  const client = new Program(Deno.execPath(), ...args, "A", "B");
  const stderr = "client.ts: no permission to connect: add" +
    ' --allow-net=localhost:50008 (2 of 2 names, first "A")\n';
  assertEquals(await client.end(), { code: 1, stdout: "", stderr });
});

test(
  "client.ts says how many names could not be sent, once for each reason",
  "ulimit",
  async () => {
    await using _server = await startServer();
    const { code, stdout, stderr } = await startStarved(
      "client.ts",
      "--count=1000",
    ).end();
    const answered = stdout.split("\n").length - 1;
    const pattern =
      /^client\.ts: cannot talk to localhost:50008: (.+) \((\d+) of 1000 names, first "client\d+"\)$/;
    const lines = stderr.trimEnd().split("\n").map((line) =>
      pattern.exec(line)!
    );
    console.log(stderr);
  const reasons = new Set(lines.map(([, reason]) => reason));
    assertEquals(reasons.size, lines.length);
    const failed = lines.reduce((sum, [, , count]) => sum + Number(count), 0);
    assertEquals(answered + failed, 1000);
    assert(answered > 0 && code === 1);
  },
);

test("client.ts refuses names that a server would not read in one piece", async () => {
  await using _server = await startServer();
  const names = ["Alice", "", "x\n".repeat(513), "", "x".repeat(1009)];
  const { code, stdout, stderr } = await run("client.ts", ...names);
  const cut = `client got: [b"server got: [b'${"x".repeat(1009)}"]\n`;
  assertEquals(sortLines(stdout), replyTo("Alice") + cut);
  const long = `"${"x\\n".repeat(30)}"... 966 more characters`;
  const problem = "client.ts: a name must have 1 to 1024 bytes, not";
  assertEquals(
    stderr,
    `${problem} 0 (2 of 5 names, first "")
${problem} 1026 (1 of 5 names, first ${long})
`,
  );
  assertEquals(code, 1);
});

test("client.ts sends names of up to 1024 bytes, and prints as much of a reply", async () => {
  using listener = listen();
  for (const name of ["x", "é".repeat(512)]) {
    await using client = start("client.ts", name);
    using connection = await within(listener.accept(), "the client");
    assertEquals(await readOnce(connection), name);
    await connection.write(encode("a".repeat(2000)));
    const stdout = `client got: [b'${"a".repeat(1024)}']\n`;
    assertEquals(await client.end(), { code: 0, stdout, stderr: "" });
  }
  const { stderr } = await run("client.ts", `${"é".repeat(512)}x`);
  const problem = "a name must have 1 to 1024 bytes, not 1025";
  assertEquals(stderr, `client.ts: ${problem}\n`);
});

/** Accepts some clients. Returns their connections by the names they send. */
async function acceptByName(listener: Deno.TcpListener, count: number) {
  const connections: Record<string, Deno.Conn> = {};
  while (Object.keys(connections).length < count) {
    const connection = await within(listener.accept(), "a client");
    connections[await readOnce(connection)] = connection;
  }
  return connections;
}

test("client.ts prints each reply as it comes, and says who had none", async () => {
  using listener = listen();
  await using client = start("client.ts", "slow", "quick", "none");
  const connections = await acceptByName(listener, 3);
  const { slow, quick, none } = connections;
  await quick!.write(encode("1"));
  await client.printed("client got: [b'1']\n");
  assertEquals(await readAll(quick!), ""); // the client has closed it
  none!.close();
  await client.printed("client got: [b'']\n");
  await slow!.write(encode("second"));
  const problem = "localhost:50008 closed the connection without a reply";
  assertEquals(await client.end(), {
    code: 1,
    stdout: "client got: [b'1']\nclient got: [b'']\nclient got: [b'second']\n",
    stderr: `client.ts: ${problem} (1 of 3 names, first "none")\n`,
  });
  quick!.close();
  slow!.close();
});

/** Preloaded, prints the limit that the client asks for, and lets it run out when standard input is closed. */
function endLimitWithInput() {
  AbortSignal.timeout = (milliseconds) => {
    console.log(`${milliseconds} ms`);
    const controller = new AbortController();
    Deno.stdin.read(new Uint8Array(1)).then(() => controller.abort());
    return controller.signal;
  };
}

test("client.ts gives up after 10 seconds, and says for how many names", async () => {
  using listener = listen();
  const problem =
    "client.ts: no reply from localhost:50008 in 10 s: is the server stuck?";
  const one = ["one"], three = ["one", "two", "answered"];
  for (
    const [names, note] of [[one, ""], [
      three,
      ' (2 of 3 names, first "one")',
    ]] as const
  ) {
    await using client = start(
      preload(endLimitWithInput),
      "client.ts",
      ...names,
    );
    const connections = await acceptByName(listener, names.length);
    const { answered } = connections;
    await answered?.write(encode("yes"));
    if (answered) await client.printed("yes");
    await client.closeInput();
    assertEquals(await client.end(), {
      code: 1,
      stdout: answered ? "10000 ms\nclient got: [b'yes']\n" : "10000 ms\n",
      stderr: `${problem}${note}\n`,
    });
    for (const connection of Object.values(connections)) connection.close();
  }
});

test("deno task client passes arguments on as they are typed", async () => {
  await using _server = await startServer();
  const names = ["two  words", "Grüße", "$HOME", "*", "a;b", "#", "--", "-x"];
  const args = ["task", "-q", "client", ...names];
  const { code, stdout, stderr } = await new Program(Deno.execPath(), ...args)
    .end();
  const sent = names.filter((name) => name !== "--").map((name) =>
    name === "Grüße" ? "Gr\\\\xc3\\\\xbc\\\\xc3\\\\x9fe" : name
  );
  assertEquals(sortLines(stdout), sortLines(sent.map(replyTo).join("")));
  assertEquals([code, stderr], [0, ""]);
});

test(
  "Deno's programs and Python's print the same, whoever talks to whom",
  "python3",
  async () => {
    const names = [
      "Alice",
      "Grüße 🦕",
      `it's "quoted" \\ back\\slash`,
      "x".repeat(1000),
    ];
    const python = (...args: string[]) =>
      new Program("python3", "tests/peers/original.py", ...args);
    const printed: string[] = [];
    for (const startOne of [() => start("server.ts"), () => python("server")]) {
      await using server = startOne();
      await server.printed("listening");
      const clients = [
        python("client", ...names),
        start("client.ts", ...names),
      ];
      for (const client of clients) {
        const { code, stdout, stderr } = await client.end();
        assertEquals([code, stderr], [0, ""]);
        printed.push(sortLines(stdout));
      }
    }
    const [first] = printed;
    assertEquals(first!.split("\n").length, names.length + 1);
    assertEquals(printed, Array(4).fill(first));
  },
);
