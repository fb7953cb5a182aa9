/**
 * The promises of `client.ts`: its arguments, its messages, its limit of ten
 * seconds, and that it gets along with Python.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  denoRun,
  encode,
  listen,
  Program,
  readOnce,
  replyTo,
  run,
  sortLines,
  start,
  startServer,
  startShell,
  starve,
  test,
  within,
} from "./helpers.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends each NAME to localhost:50008, all at the same time, and prints the replies.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
`;
const noServer = "client.ts: no server on localhost:50008, start one:" +
  " deno task server, or npx --yes deno@2 task server";

test("client.ts prints a line for each name, as it was typed", async () => {
  await using _server = await startServer();
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", " "];
  const dashes = ["--", "--count", "-h", "--", "12", "--_=x", "- x"];
  const { code, stdout, stderr } = await run("client.ts", ...names, ...dashes);
  const sent = [...names, ...dashes.slice(1)];
  assertEquals(sortLines(stdout), sortLines(sent.map(replyTo).join("")));
  assertEquals([code, stderr], [0, ""]);
});

test("client.ts without arguments is one client, named after its process", async () => {
  await using _server = await startServer();
  const { code, stdout } = await run("client.ts");
  assertMatch(
    stdout,
    /^client got: \[b"server got: \[b'client:process=\d+'\]"\]\n$/,
  );
  assertEquals(code, 0);
});

test("client.ts --count runs numbered clients, 1 to 1000 of them", async () => {
  await using _server = await startServer();
  for (const args of [["--count", "3"], ["--count=9", "--count", "3"]]) {
    const { code, stdout } = await run("client.ts", ...args);
    const names = ["client0", "client1", "client2"];
    assertEquals(sortLines(stdout), names.map(replyTo).join(""));
    assertEquals(code, 0);
  }
  for (const count of [1, 9, 100, 1000]) {
    const { code, stdout } = await run("client.ts", `--count=${count}`);
    assertEquals(stdout.split("\n").length, count + 1);
    assertEquals(code, 0);
  }
});

test("client.ts prints its usage on request", async () => {
  for (const option of ["--help", "-h"]) {
    const outcome = await run("client.ts", "x", option);
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
});

test("client.ts refuses wrong arguments in one line", async () => {
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
    ['no such option: "- x"', "- x"],
    ['no such option: "-\\nx"', "-\nx"],
    [`no such option: ${cut}`, long],
  ];
  const outcomes = await Promise.all(
    wrong.map(([_, ...args]) => run("client.ts", ...args)),
  );
  for (const [index, [problem]] of wrong.entries()) {
    const stderr = `client.ts: ${problem}\n${usage}`;
    assertEquals(outcomes[index], { code: 2, stdout: "", stderr });
  }
});

test("client.ts says once that there is no server, and how to start one", async () => {
  const one = await run("client.ts", "Alice");
  assertEquals(one, { code: 1, stdout: "", stderr: `${noServer}\n` });
  const three = await run("client.ts", "Alice", "Bob", "Carol");
  const stderr = `${noServer} (3 of 3 names, first "Alice")\n`;
  assertEquals(three, { code: 1, stdout: "", stderr });
});

test(
  "client.ts notices that it meets itself",
  "sh",
  "unshare",
  "ip",
  async () => {
    // In a network without a server, where a client has but one port.
    const client = startShell(
      `exec unshare -rn sh -c 'ip link set lo up &&
      echo 50008 50008 >/proc/sys/net/ipv4/ip_local_port_range &&
      exec "$@"' sh "$0" "$@"`,
      ...denoRun(),
      "client.ts",
      "Alice",
    );
    const stderr = `${noServer}\n`;
    assertEquals(await client.end(), { code: 1, stdout: "", stderr });
  },
);

test("client.ts talks to a server at another address from its very port", async () => {
  // Looked up, localhost is another address than the one that clients come from.
  const away = `data:text/typescript,const { connect } = Deno;
    Deno.connect = async (options) => {
      const connection = await connect(options);
      const localAddr = { ...connection.localAddr, hostname: "10.0.0.1", port: 50008 };
      return Object.defineProperty(connection, "localAddr", { value: localAddr });
    };`;
  await using _server = await startServer();
  const flag = `--preload=${away.replaceAll("\n", " ")}`;
  const { code, stdout } = await start(flag, "client.ts", "Alice").end();
  assertEquals([code, stdout], [0, replyTo("Alice")]);
});

test("client.ts says once for all names which permission it lacks", async () => {
  const flags = denoRun("--allow-net=localhost:50009");
  const client = new Program(Deno.execPath(), ...flags, "client.ts", "A", "B");
  const stderr = "client.ts: no permission to connect: add" +
    ' --allow-net=localhost:50008 (2 of 2 names, first "A")\n';
  assertEquals(await client.end(), { code: 1, stdout: "", stderr });
});

test("client.ts says once what keeps many from connecting", "sh", async () => {
  await using _server = await startServer();
  const args = [...denoRun(), "client.ts", "--count", "1000"];
  const { code, stdout, stderr } = await starve(64, ...args).end();
  const answered = stdout.split("\n").length - 1;
  const pattern =
    /^client\.ts: localhost:50008: .* \((\d+) of 1000 names, first "client\d+"\)$/;
  const lines = stderr.trimEnd().split("\n");
  const counts = lines.map((line) => Number(pattern.exec(line)?.[1]));
  assert(lines.length < 4, stderr);
  assertEquals(counts.reduce((sum, count) => sum + count, answered), 1000);
  assert(answered > 0, "nobody was answered");
  assertEquals(code, 1);
});

test("client.ts says in one line that it cannot print", "sh", async () => {
  await using _server = await startServer();
  const script = 'exec "$0" "$@" >/dev/full';
  const client = startShell(script, ...denoRun(), "client.ts", "A", "B");
  assertMatch(
    (await client.end()).stderr,
    /^client\.ts: cannot print: No space left.* \(2 of 2 names, first "A"\)\n$/,
  );
});

test("client.ts says in one line each which names fail; the others go on", async () => {
  await using _server = await startServer();
  const names = ["Alice", "", "x\n".repeat(513), "", "x".repeat(1009)];
  const { code, stdout, stderr } = await run("client.ts", ...names);
  const cut = `client got: [b"server got: [b'${"x".repeat(1009)}"]\n`;
  assertEquals(sortLines(stdout), replyTo("Alice") + cut);
  const long = `"${"x\\n".repeat(30)}"... 966 more characters`;
  assertEquals(
    stderr,
    `client.ts: a name of 0 bytes, not 1-1024 (2 of 5 names, first "")
client.ts: a name of 1026 bytes, not 1-1024 (1 of 5 names, first ${long})
`,
  );
  assertEquals(code, 1);
});

test("client.ts sends names of up to 1024 bytes", async () => {
  using listener = listen();
  for (const name of ["x", "é".repeat(512)]) {
    await using client = start("client.ts", name);
    using connection = await within(listener.accept(), "a client connects");
    assertEquals(await readOnce(connection), name);
    await connection.write(encode("a".repeat(2000)));
    const stdout = `client got: [b'${"a".repeat(1024)}']\n`;
    assertEquals(await client.end(), { code: 0, stdout, stderr: "" });
  }
  const outcome = await run("client.ts", `${"é".repeat(512)}x`);
  const stderr = "client.ts: a name of 1025 bytes, not 1-1024\n";
  assertEquals(outcome, { code: 1, stdout: "", stderr });
});

test("client.ts prints each reply as it comes, and says who had none", async () => {
  using listener = listen();
  await using clients = start("client.ts", "slow", "quick", "none");
  const connections: Record<string, Deno.Conn> = {};
  for (let number = 0; number < 3; number++) {
    const connection = await within(listener.accept(), "a client connects");
    connections[await readOnce(connection)] = connection;
  }
  await connections["quick"]!.write(encode("1"));
  await clients.printed("client got: [b'1']\n");
  assertEquals(await readOnce(connections["quick"]!), ""); // it has closed
  connections["none"]!.close();
  await clients.printed("client got: [b'']\n");
  await connections["slow"]!.write(encode("second"));
  const { code, stderr } = await clients.end();
  const problem = "localhost:50008 closed the connection without a reply";
  assertEquals(stderr, `client.ts: ${problem} (1 of 3 names, first "none")\n`);
  assertEquals(code, 1);
  connections["quick"]!.close();
  connections["slow"]!.close();
});

test("client.ts gives up after 10 seconds, and says for how many", async () => {
  // The ten seconds are 1.25, here.
  const preload = "--preload=tests/peers/clock.ts";
  using listener = listen();
  const begin = performance.now();
  await using several = start(preload, "client.ts", "one", "answered", "two");
  await using single = start(preload, "client.ts", "single");
  const accepted: Deno.Conn[] = [];
  while (accepted.length < 4) {
    const connection = await within(listener.accept(), "a client connects");
    accepted.push(connection);
    const name = await readOnce(connection);
    if (name === "answered") await connection.write(encode("yes"));
  }
  const problem =
    "client.ts: no answer from localhost:50008 in 10 s, is it stuck?";
  assertEquals(await Promise.all([several.end(), single.end()]), [
    {
      code: 1,
      stdout: "client got: [b'yes']\n",
      stderr: `${problem} (2 of 3 names, first "one")\n`,
    },
    { code: 1, stdout: "", stderr: `${problem}\n` },
  ]);
  const elapsed = performance.now() - begin;
  assert(elapsed >= 1250 && elapsed < 2400, `it took ${elapsed} ms`);
  for (const connection of accepted) connection.close();
});

test("deno task client passes arguments on as they are typed", async () => {
  await using _server = await startServer();
  const names = ["two  words", "Grüße", "$HOME", "*", "a;b", "#", "--", "-x"];
  const task = new Program(Deno.execPath(), "task", "-q", "client", ...names);
  const { code, stdout, stderr } = await task.end();
  const sent = names.filter((name) => name !== "--").map((name) =>
    name === "Grüße" ? "Gr\\\\xc3\\\\xbc\\\\xc3\\\\x9fe" : name
  );
  assertEquals(sortLines(stdout), sortLines(sent.map(replyTo).join("")));
  assertEquals([code, stderr], [0, ""]);
});

test("Deno and Python print the same, either way", "python3", async () => {
  const names = [
    "Alice",
    "Grüße 🦕",
    `it's "quoted" \\ back\\slash`,
    "x".repeat(1000),
  ];
  const python = (...args: string[]) =>
    new Program("python3", "tests/peers/original.py", ...args);
  const printed: Record<string, string> = {};
  for (const side of ["Deno", "Python"]) {
    await using server = side === "Deno"
      ? start("server.ts")
      : python("server");
    await server.printed("listening");
    const fromPython = await python("client", ...names).end();
    const fromDeno = await run("client.ts", ...names);
    for (const { code, stderr } of [fromPython, fromDeno]) {
      assertEquals([code, stderr], [0, ""]);
    }
    printed[`Python to ${side}`] = sortLines(fromPython.stdout);
    printed[`Deno to ${side}`] = sortLines(fromDeno.stdout);
  }
  const expected = printed["Python to Python"]!;
  assertEquals(expected.split("\n").length, names.length + 1);
  for (const [pair, text] of Object.entries(printed)) {
    assertEquals(text, expected, pair);
  }
});
