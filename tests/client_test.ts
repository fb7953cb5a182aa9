/**
 * The promises of `client.ts`: its arguments, its messages, its limit of ten
 * seconds, and that it can talk to Python.
 *
 * @module
 */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parseNames, sendAll } from "../client.ts";
import { receive } from "../socket_preview.ts";
import {
  encode,
  listen,
  narrowConn,
  readAll,
  replace,
  within,
} from "./helpers.ts";
import { deno, run, shell, start } from "./program.ts";
import { succeeds, test } from "./setup.ts";

const usage = `Usage: client.ts [-h | --help] [--count N] [NAME ...]
Sends all NAMEs to localhost:50008 at the same time, and prints the replies.
Without a NAME, sends client:process=PID, with the ID of this process.
With --count, sends client0 to clientN-1 instead, for N from 1 to 1000.
Names that begin with a dash go after --.
`;
const noServer = "no server on localhost:50008: start one with" +
  ' "deno task server" or "npx --yes deno@2 task server"';

Deno.test("parseNames() returns each name as it was typed", () => {
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", " "];
  const more = ["--count", "-h", "--", "12", "--_=x", "- x", "é".repeat(512)];
  assertEquals(parseNames([...names, "--", ...more]), [...names, ...more]);
  assertEquals(parseNames([]), [`client:process=${Deno.pid}`]);
  assertEquals(parseNames(["--help", "--loud", "--count=0"]), []);
});

Deno.test("parseNames() makes up to 1000 names with --count", () => {
  const names = Array.from({ length: 1000 }, (_, i) => `client${i}`);
  assertEquals(parseNames(["--count=1"]), names.slice(0, 1));
  assertEquals(parseNames(["--count", "999"]), names.slice(0, 999));
  assertEquals(parseNames(["--count=9", "--count=1000"]), names);
});

Deno.test("parseNames() says which argument is wrong", () => {
  const wrong: [string, ...string[]][] = [
    ['--count must be 1 to 1000, not ""', "--count"],
    ["give either --count or names, not both", "--count", "3", "Alice"],
    ["give either --count or names, not both", "--count", ""],
    ["a name must have 1 to 1024 bytes, not 0", "Alice", ""],
    ["a name must have 1 to 1024 bytes, not 1025", `${"é".repeat(512)}x`],
  ];
  for (const count of ["0", "1001", "10000", "2.5", "x5", "\x1b[2J"]) {
    const given = Deno.inspect(count);
    wrong.push([`--count must be 1 to 1000, not ${given}`, `--count=${count}`]);
  }
  const options = ["--loud", "-5", "-hx", "--help=false", "--count.x", "- x"];
  for (const option of options) {
    const problem = `no such option: "${option}" (as a name, it goes after --)`;
    wrong.push([problem, "Alice", option], [problem, option, "--other"]);
  }
  for (const [problem, ...args] of wrong) {
    const { message } = assertThrows(() => parseNames(args), Error);
    assertEquals(message, problem);
  }
});

test("client.ts prints its usage if asked, and after a mistake", async () => {
  const help = await run(deno("client.ts", "Alice", "-h"));
  assertEquals(help.stdout, usage);
  assertEquals([help.code, help.stderr], [0, ""]);
  const { code, stdout, stderr } = await run(deno("client.ts", "Alice", ""));
  const problem = "client.ts: a name must have 1 to 1024 bytes, not 0\n";
  assertEquals([code, stdout, stderr], [2, "", problem + help.stdout]);
});

test("client.ts says once that there is no server", async () => {
  const one = await run(deno("client.ts", "Alice"));
  const stderr = `client.ts: "Alice": ${noServer}\n`;
  assertEquals(one, { code: 1, stdout: "", stderr });
  const many = await run(deno("client.ts", "--count=2"));
  assertMatch(many.stderr, /^client.ts: "client\d" and 1 more: no .+\n$/);
});

// In a network of its own, a client can only have the port of the server.
const useServerPort = "ip link set lo up && " +
  "echo 50008 50008 >/proc/sys/net/ipv4/ip_local_port_range";
const ownNetwork = `unshare -rn sh -c '${useServerPort}'`;

test("client.ts does not take itself for a server", async () => {
  const command = shell(deno("client.ts", "Alice"), useServerPort);
  const { stderr } = await run(shell(["unshare", "-rn", ...command]));
  assertEquals(stderr, `client.ts: "Alice": ${noServer}\n`);
}, { ignore: !await succeeds(["sh", "-c", ownNetwork]) });

/** Sends names, and has a function reply to each. Collects what is printed. */
async function sendTo(
  names: string[],
  reply: (name: string, conn: Deno.Conn) => unknown,
) {
  const printed: string[] = [];
  using _log = replace(console, "log", (line: string) => printed.push(line));
  using conns = new DisposableStack();
  const listener = conns.use(listen());
  const sending = sendAll(names);
  for (let count = 0; count < names.length; count++) {
    const conn = conns.use(await within(listener.accept(), "a client"));
    const name = new TextDecoder().decode(await receive(conn));
    await reply(name, conn);
  }
  const problems = Object.fromEntries(await within(sending, "the replies"));
  return { printed, problems };
}

test("sendAll() prints up to 1024 bytes of each reply", async () => {
  const { printed, problems } = await sendTo(["a", "é"], async (name, conn) => {
    await conn.write(encode(name.repeat(1000)));
    assertEquals(await readAll(conn), ""); // the client has closed it
  });
  const quoted = ["\\xc3\\xa9".repeat(512), "a".repeat(1000)];
  const lines = quoted.map((text) => `client got: [b'${text}']`);
  assertEquals(printed.sort(), lines);
  assertEquals(problems, {});
});

test("sendAll() repeats a write that takes three bytes", async () => {
  const conn = narrowConn("");
  const printed: string[] = [];
  using _connect = replace(Deno, "connect", () => Promise.resolve(conn));
  using _log = replace(console, "log", (line: string) => printed.push(line));
  await sendAll(["0123456789"]);
  assertEquals(printed, ["client got: [b'0123456789']"]);
});

test("sendAll() returns which names got no reply in ten seconds", async () => {
  const late = new AbortController();
  using _timeout = replace(AbortSignal, "timeout", () => late.signal);
  const names = ["slow", "quick", "closed", "stuck"];
  let waiting = names.length;
  const { printed, problems } = await sendTo(names, async (name, conn) => {
    if (name === "quick") await conn.write(encode("1"));
    if (name === "closed") await conn.closeWrite();
    if (name === "quick" || name === "closed") await readAll(conn);
    waiting--;
    if (waiting === 0) late.abort();
  });
  assertEquals(printed, ["client got: [b'1']"]);
  const address = "localhost:50008";
  const tooLate = `no reply from ${address} in 10 s: check whether the server`;
  assertEquals(problems, {
    [`${address} closed the connection without a reply`]: ["closed"],
    [`${tooLate} is stuck`]: ["slow", "stuck"],
  });
});

test("Deno and Python print the same, whichever answers", async () => {
  const quotes = `it's "quoted" \\ back\\slash`;
  const names = ["Alice", "Grüße 🦕", quotes, "x".repeat(1000)];
  const python = ["python3", "tests/peers/original.py"];
  const printed: string[][] = [];
  for (const serve of [deno("server.ts"), [...python, "server"]]) {
    await using server = start(serve);
    await server.printed("listening");
    for (const talk of [deno("client.ts"), [...python, "client"]]) {
      const { code, stdout, stderr } = await run([...talk, ...names]);
      assertEquals([code, stderr], [0, ""]);
      printed.push(stdout.split("\n").sort());
    }
  }
  assertEquals(printed[0]![1], `client got: [b"server got: [b'Alice']"]`);
  assertEquals(printed[0]!.length, names.length + 1);
  assertEquals(printed, Array(4).fill(printed[0]));
}, { ignore: !await succeeds(["python3", "-c", ""]) });
