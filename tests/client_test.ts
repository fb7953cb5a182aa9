/**
 * The promises of `client.ts`: its arguments, its messages, its limit of ten
 * seconds, and that it can talk to Python.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { encode, listen, readAll, readOnce, replyTo } from "./helpers.ts";
import { sortLines, within } from "./helpers.ts";
import { endLimitWithInput, preload, Program } from "./program.ts";
import { run, start, startServer, startStarved } from "./program.ts";
import { test } from "./register.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends all NAMEs to localhost:50008 at the same time, and prints the replies.
Without a NAME, sends client:process=PID, with the ID of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
`;
const noServer = "client.ts: no server on localhost:50008: start one with" +
  ' "deno task server" or "npx --yes deno@2 task server"';

/** The flag that takes the limit of ten seconds off, for slow machines. */
const noLimit = preload(() => {
  AbortSignal.timeout = () => new AbortController().signal;
});

/** Checks that `client.ts` gets a reply for each name, and says nothing else. */
async function checkReplies(names: string[], ...args: string[]) {
  const { code, stdout, stderr } = await run(noLimit, "client.ts", ...args);
  assertEquals(sortLines(stdout), sortLines(names.map(replyTo).join("")));
  assertEquals([code, stderr], [0, ""]);
}

test("client.ts prints a reply for each name, as it was typed", async () => {
  await using _server = await startServer();
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", " "];
  const more = ["--count", "-h", "--", "12", "--_=x", "- x"];
  await checkReplies([...names, ...more], ...names, "--", ...more);
});

test("client.ts sends its process ID if it gets no name", async () => {
  await using _server = await startServer();
  await using client = start("client.ts");
  const stdout = replyTo(`client:process=${client.pid}`);
  assertEquals(await client.end(), { code: 0, stdout, stderr: "" });
});

test("client.ts --count sends numbered names, up to 1000", async () => {
  await using _server = await startServer();
  const names = Array.from({ length: 1000 }, (_, i) => `client${i}`);
  await checkReplies(names.slice(0, 1), "--count=1");
  await checkReplies(names.slice(0, 9), "--count", "9");
  await checkReplies(names.slice(0, 3), "--count=9", "--count", "3");
  await checkReplies(names.slice(0, 100), "--count=100");
  await checkReplies(names, "--count=1000");
});

test("client.ts prints its usage if asked", async () => {
  for (const option of ["--help", "-h"]) {
    const outcome = await run("client.ts", "x", option);
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
});

test("client.ts says on one line which argument is wrong", async () => {
  const wrongCounts = ["", "0", "1001", "10000", "2.5", "x5", "\x1b[2J"];
  const wrong: [string, ...string[]][] = wrongCounts.map((count) => {
    const quoted = Deno.inspect(count);
    return [`--count must be 1 to 1000, not ${quoted}`, `--count=${count}`];
  });
  wrong.push(['--count must be 1 to 1000, not ""', "--count"]);
  wrong.push(["give either --count or names, not both", "--count", "3", "Al"]);
  for (const option of ["--loud", "--no-help", "--_=Al", "-x", "-xh", "- x"]) {
    wrong.push([`no such option: "${option}"`, "Alice", option]);
  }
  const cut = `"-${"a\\n".repeat(29)}a"... 41 more characters`;
  wrong.push([`no such option: ${cut}`, `-${"a\n".repeat(50)}`]);
  for (const [problem, ...args] of wrong) {
    const outcome = await run("client.ts", ...args);
    const stderr = `client.ts: ${problem}\n${usage}`;
    assertEquals(outcome, { code: 2, stdout: "", stderr });
  }
});

test("client.ts says once that there is no server", async () => {
  const one = await run("client.ts", "Alice");
  assertEquals(one, { code: 1, stdout: "", stderr: `${noServer}\n` });
  const three = await run("client.ts", "Alice", "Bob", "Carol");
  const stderr = `${noServer} (3 of 3 names, first "Alice")\n`;
  assertEquals(three, { code: 1, stdout: "", stderr });
});

test("client.ts may have port 50008 on another address", async () => {
  await using _server = await startServer();
  const comeFromElsewhere = preload(() => {
    const { connect } = Deno;
    Deno.connect = (async (options: Deno.ConnectOptions) => {
      const connection = await connect(options);
      const value = { transport: "tcp", hostname: "10.0.0.1", port: 50008 };
      return Object.defineProperty(connection, "localAddr", { value });
    }) as typeof Deno.connect;
  });
  const outcome = await run(comeFromElsewhere, "client.ts", "Alice");
  assertEquals(outcome, { code: 0, stdout: replyTo("Alice"), stderr: "" });
});

test("client.ts says on one line that it could not send", async () => {
  using _listener = listen();
  const failToWrite = preload(() => {
    const { connect } = Deno;
    Deno.connect = (async (options: Deno.ConnectOptions) => {
      const connection = await connect(options);
      const error = new Deno.errors.BrokenPipe("simulated");
      connection.write = () => Promise.reject(error);
      return connection;
    }) as typeof Deno.connect;
  });
  const outcome = await run(failToWrite, "client.ts", "Alice");
  const stderr = "client.ts: cannot talk to localhost:50008: simulated\n";
  assertEquals(outcome, { code: 1, stdout: "", stderr });
});

test("client.ts prints each error once, with its names", "ulimit", async () => {
  await using _server = await startServer();
  const client = startStarved(noLimit, "client.ts", "--count=1000");
  const { code, stdout, stderr } = await client.end();
  const answered = stdout.split("\n").length - 1;
  const lines = stderr.trimEnd().split("\n").map((line) =>
    /: cannot talk to localhost:50008: (.+) \((\d+) of 1000 names, first "/
      .exec(line)!
  );
  const failed = lines.reduce((sum, [, , count]) => sum + Number(count), 0);
  assertEquals(answered + failed, 1000);
  assertEquals(new Set(lines.map(([, reason]) => reason)).size, lines.length);
  assert(answered > 0 && code === 1);
});

test("client.ts refuses names that are empty or too long", async () => {
  await using _server = await startServer();
  const names = ["Alice", "", "x\n".repeat(513), "", "x".repeat(1009)];
  const { code, stdout, stderr } = await run("client.ts", ...names);
  const cut = `client got: [b"server got: [b'${"x".repeat(1009)}"]\n`;
  assertEquals(sortLines(stdout), replyTo("Alice") + cut);
  const long = `"${"x\\n".repeat(30)}"... 966 more characters`;
  const problem = "client.ts: a name must have 1 to 1024 bytes, not";
  const lines = [
    `${problem} 0 (2 of 5 names, first "")\n`,
    `${problem} 1026 (1 of 5 names, first ${long})\n`,
  ];
  assertEquals([code, stderr], [1, lines.join("")]);
});

test("client.ts sends and prints up to 1024 bytes", async () => {
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

test("client.ts prints replies as they arrive, and who had none", async () => {
  using listener = listen();
  await using client = start("client.ts", "slow", "quick", "none");
  const { slow, quick, none } = await acceptByName(listener, 3);
  await quick!.write(encode("1"));
  await client.printed("client got: [b'1']\n");
  assertEquals(await readAll(quick!), ""); // the client has closed it
  none!.close();
  await client.printed("client got: [b'']\n");
  await slow!.write(encode("2"));
  const problem = "localhost:50008 closed the connection without a reply";
  assertEquals(await client.end(), {
    code: 1,
    stdout: "client got: [b'1']\nclient got: [b'']\nclient got: [b'2']\n",
    stderr: `client.ts: ${problem} (1 of 3 names, first "none")\n`,
  });
  quick!.close();
  slow!.close();
});

test("client.ts gives up after 10 seconds, and says on whom", async () => {
  using listener = listen();
  const names = ["one", "two", "answered"];
  for (const count of [1, 3]) {
    const flag = preload(endLimitWithInput);
    await using client = start(flag, "client.ts", ...names.slice(0, count));
    const connections = await acceptByName(listener, count);
    await connections["answered"]?.write(encode("yes"));
    const printed = count === 1 ? "" : "client got: [b'yes']\n";
    await client.printed(`10000 ms\n${printed}`);
    await client.closeInput();
    const note = count === 1 ? "" : ' (2 of 3 names, first "one")';
    const problem =
      "no reply from localhost:50008 in 10 s: check whether the server is stuck";
    assertEquals(await client.end(), {
      code: 1,
      stdout: `10000 ms\n${printed}`,
      stderr: `client.ts: ${problem}${note}\n`,
    });
    for (const connection of Object.values(connections)) connection.close();
  }
});

test(
  "Deno and Python print the same, whichever answers",
  "python3",
  async () => {
    const quotes = `it's "quoted" \\ back\\slash`;
    const names = ["Alice", "Grüße 🦕", quotes, "x".repeat(1000)];
    const python = (...args: string[]) =>
      new Program("python3", "tests/peers/original.py", ...args);
    const printed: string[] = [];
    for (const serve of [() => start("server.ts"), () => python("server")]) {
      await using server = serve();
      await server.printed("listening");
      for (
        const talk of [
          () => python("client", ...names),
          () => start("client.ts", ...names),
        ]
      ) {
        const { code, stdout, stderr } = await talk().end();
        assertEquals([code, stderr], [0, ""]);
        printed.push(sortLines(stdout));
      }
    }
    assertEquals(printed[0]!.split("\n").length, names.length + 1);
    assertEquals(printed, Array(4).fill(printed[0]));
  },
);
