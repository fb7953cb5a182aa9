/**
 * The promises of the README: that it shows the code itself, and that its
 * commands, and its table of faults, do what it says.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connect,
  denoRun,
  exchange,
  fiveLines,
  listen,
  permitted,
  Program,
  readProject,
  root,
  sleep,
  sortLines,
  startServer,
  startShell,
  test,
  until,
} from "./helpers.ts";

const readme = permitted ? await readProject("README.md") : "";

/** Returns the first block of code after a text, without its fences. */
function blockAfter(text: string): string {
  const after = readme.slice(readme.indexOf(text) + text.length);
  const block = /^```\w+\n(.*?)^```$/ms.exec(after)?.[1];
  if (!readme.includes(text) || !block) {
    throw new Error(`no block after ${text}`);
  }
  return block;
}

/** Starts commands as a reader types them, where `deno` and `npx` are this Deno. */
function type(commands: string): Program {
  const npx = 'npx() { shift 2; "$deno" "$@"; }';
  return startShell(`deno=$0; deno() { "$deno" "$@"; }; ${npx}\n${commands}`);
}

test("the README shows the script's code, and the usual loop, as they are", async () => {
  const code = blockAfter("## The code");
  for (const part of ["server()", "answer(", "client("]) {
    assert(code.includes(`export async function ${part}`), part);
  }
  assert(code.includes("if (import.meta.main)"));
  assert((await readProject("socket_preview.ts")).includes(code));
  const loop = blockAfter("## What ends").trimEnd().replaceAll(/^/gm, "  ");
  assert((await readProject("tests/peers/shortest.ts")).includes(loop));
});

test("the README names files and tasks that there are", async () => {
  for (const [, file] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    assert((await Deno.stat(new URL(file!, root))).isFile, file);
  }
  const { tasks } = JSON.parse(await readProject("deno.json"));
  const named = [...readme.matchAll(/deno(?:@2)? task (?:-q )?(\w+)/g)];
  assert(named.length > 0);
  for (const [, name] of named) assert(name! in tasks, name);
  for (const line of blockAfter("## Run it").trim().split("\n")) {
    assert(
      readme.includes(`\`${line.replace("npx --yes deno@2", "deno")}\``),
      line,
    );
  }
  const ci = await readProject(".ci/run");
  assert(ci.includes(blockAfter("## Run it").trim().split("\n")[1]!), ci);
});

test("the README's first command prints the five lines", "sh", async () => {
  const [command] = blockAfter("## Run it").split("\n");
  const { code, stdout, stderr } = await type(command!).end();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(sortLines(stdout), fiveLines);
});

const shortest = "tests/peers/shortest.ts";
const [, resetCommand, , earlyCommand] =
  (readme && blockAfter("in a\nsecond terminal one of these"))
    .split("\n");

/** Starts one of the servers with 64 descriptors, when it is ready for clients. */
async function startOne(file: string, redirect = ""): Promise<Program> {
  const command = {
    [shortest]: `exec "$0" "$@" ${shortest}`,
    "server.ts": `exec "$0" "$@" server.ts`,
    "socket_preview.ts": `exec "$0" eval \\
      'import { server } from "./socket_preview.ts"; server(); console.log("listening")'`,
  }[file];
  const script = `ulimit -n 64; ${command} ${redirect}`;
  const server = startShell(script, ...denoRun());
  await server.printed(file === shortest ? "client4" : "listening");
  if (file === shortest) await sleep(50);
  return server;
}

/** What the table says of a fault, for each of its three columns. */
function rowOf(fault: string): string[] {
  const row = readme.split("\n").find((line) => line.startsWith(`| ${fault} `));
  return row!.split("|").slice(2, 5).map((cell) => cell.trim());
}

/** Which of the three servers lives, and which ends, when a fault has come. */
async function tryAll(fault: () => Promise<unknown>, redirect = "") {
  const outcomes: string[] = [];
  for (const file of [shortest, "socket_preview.ts", "server.ts"]) {
    await using server = await startOne(file, redirect);
    await fault();
    const ended = server.end().then(() => "ends");
    const answered = exchange("hello").then(
      (reply) => reply === "server got: [b'hello']" ? "lives" : "ends",
      () => "ends",
    );
    outcomes.push(await Promise.race([ended, answered]));
    server.kill("SIGTERM"); // or the exchange would go on
    await Promise.all([ended, answered]);
  }
  return outcomes;
}

const unwritable = "a reset, standard error unwritable";
for (const fault of ["a reset", "a reset before accept", unwritable]) {
  const command = fault === "a reset before accept"
    ? earlyCommand
    : resetCommand;
  const redirect = fault === unwritable ? "2>/dev/full" : "";
  test(`the README on ${fault}`, "sh", "resetAndDestroy", async () => {
    const outcomes = await tryAll(() => type(command!).end(), redirect);
    assertEquals(outcomes, rowOf(fault));
  });
}

test("the README on silent clients", "sh", async () => {
  await using server = await startOne(shortest);
  const silent = await Promise.all(Array.from({ length: 100 }, connect));
  const answered = exchange("hello").catch(() => "");
  assertEquals(await Promise.race([answered, sleep(500)]), undefined);
  server.kill("SIGTERM");
  await answered;
  for (const connection of silent) connection.close();
  // What the two others do is in their own tests.
  const row = rowOf("100 silent clients, 64 descriptors");
  assertEquals(row, ["waits", "waits", "lives"]);
});

/** Runs the client of the usual version, or of the script, by itself. */
async function startClient(
  file: string,
  ...wrapper: string[]
): Promise<Program> {
  const source = file === shortest
    ? (await readProject(shortest)).replace(/^server\(\);[^]*/m, "")
    : 'import { client } from "./socket_preview.ts";';
  const args = ["eval", `${source} await client("Alice");`];
  return startShell('exec "$@"', ...wrapper, Deno.execPath(), ...args);
}

test("the README on self-connection", "sh", "unshare", "ip", async () => {
  const script =
    "ip link set lo up && exec 3>/proc/sys/net/ipv4/ip_local_port_range" +
    ' && echo 50008 50008 >&3 && exec "$@"';
  const alone = ["unshare", "-rn", "sh", "-c", script, "sh"];
  for (const file of [shortest, "socket_preview.ts"]) {
    await using client = await startClient(file, ...alone);
    assertMatch(
      (await client.end()).stdout,
      /^client got: \[b['"]Alice['"]\]\n$/,
    );
  }
  const itself = "answers itself"; // and what client.ts does is in its own tests
  assertEquals(rowOf("a client connects to itself"), [
    itself,
    itself,
    "ends, says why",
  ]);
});

test("the README on a server that says nothing", "sh", async () => {
  using _listener = listen();
  await using usual = await startClient(shortest);
  await using ours = await startClient("socket_preview.ts");
  const ended = Promise.race([usual.end(), ours.end()]);
  assertEquals(await Promise.race([ended, sleep(500)]), undefined);
  assertEquals(rowOf("a server says nothing"), [
    "waits",
    "waits",
    "ends, says why",
  ]);
});

test("the README's messages come whole, however they were cut", async () => {
  const source = blockAfter("is not one message").replace(
    "async",
    "export async",
  );
  const { messages } = await import(
    `data:text/typescript,${encodeURIComponent(source)}`
  );
  const cuts = [["one m", "essag", "e\n"], ["a\nb\n\nc\n"], [
    "Gr\xc3",
    "\xbc\xc3\x9fe\nx",
  ]];
  const expected = [["one message"], ["a", "b", "", "c"], ["Grüße"]];
  for (const [index, pieces] of cuts.entries()) {
    const bytes = pieces.map((piece) =>
      Uint8Array.from(piece, (c) => c.charCodeAt(0))
    );
    const received = await Array.fromAsync(
      messages({ readable: ReadableStream.from(bytes) }),
    );
    assertEquals(received, expected[index]);
  }
});

test("the README on a backlog of 5", "sh", async () => {
  const times: number[] = [];
  for (const options of ["", ", tcpBacklog: 5"]) {
    const source = (await readProject(shortest)).replace(/^for .*/m, "")
      .replace(
        "{ hostname, port })",
        `{ hostname, port${options} })`,
      );
    assert(options === "" || source.includes(options));
    await using server = startShell(
      'exec "$0" eval "$1"',
      `${source} console.log("up");`,
    );
    await server.printed("up");
    const begin = performance.now();
    await Promise.all(Array.from({ length: 20 }, () => exchange("x")));
    times.push(performance.now() - begin);
  }
  assert(times[0]! < 900 && times[1]! > 900, `${times}`);
});

/** What is typed, and what it prints: nothing if the README may not be read. */
const typed = (readme && blockAfter("## Two programs")).split(/^\$ /m).slice(1);
const [serverPart, clientPart, ncPart] = typed.map((part) => {
  const [, command, output] = /^(.*)\n([^]*)$/.exec(part)!;
  return { command: command!, output: output! };
});

test("the README shows what the two programs print", "sh", async () => {
  const [, ...args] = serverPart!.command.replace(/ &$/, "").split(" ");
  await using server = new Program(Deno.execPath(), ...args);
  await server.printed("listening");
  await until(() => server.stdout.endsWith("\n"), "the line ends");
  const localhost = server.stdout.replace("[::1]", "127.0.0.1");
  assertEquals(localhost, serverPart!.output);
  const { stdout } = await type(clientPart!.command).end();
  assertEquals(sortLines(stdout), sortLines(clientPart!.output));
});

test("the README shows what nc prints", "sh", "nc", async () => {
  await using _server = await startServer();
  const { stdout } = await type(ncPart!.command).end();
  assertEquals(stdout.trimEnd(), ncPart!.output.trimEnd());
});
