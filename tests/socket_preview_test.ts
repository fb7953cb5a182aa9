/**
 * The promises of `socket_preview.ts`: what it prints, and what its functions
 * do for those who copy them. More about its server is in `faults_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { bytesLiteral, client, send } from "../socket_preview.ts";
import { connect, connectMany, encode, exchange } from "./helpers.ts";
import { fiveLines, listen, readAll, readProject } from "./helpers.ts";
import { readOnce, reset, sortLines, within } from "./helpers.ts";
import { failAccepts, holdAccepts, preload, Program } from "./program.ts";
import { run, start, stay } from "./program.ts";
import { test } from "./register.ts";

Deno.test("bytesLiteral() returns what Python prints for bytes", () => {
  const literals = {
    "": "b''",
    "client0": "b'client0'",
    "it's": `b"it's"`,
    'say "hi"': `b'say "hi"'`,
    "both ' and \"": `b'both \\' and "'`,
    "''\"": `b'\\'\\'"'`,
    "\\": "b'\\\\'",
    "\\t\\x0a\\": "b'\\\\t\\\\x0a\\\\'",
    "\t\n\r\t\n\r": "b'\\t\\n\\r\\t\\n\\r'",
    "\0\x0f\x1f\x7f ~": "b'\\x00\\x0f\\x1f\\x7f ~'",
    "éé": "b'\\xc3\\xa9\\xc3\\xa9'",
  };
  for (const [text, literal] of Object.entries(literals)) {
    assertEquals(bytesLiteral(encode(text)), literal);
  }
});

test("bytesLiteral() agrees with Python on 3256 texts", "python3", async () => {
  const python = `import json, random
random.seed(50008)
alphabets = [bytes(range(256)), b"'\\"\\\\", b"'x", b'"x', b"\\t\\n\\r\\0\\x7f\\x80 ~"]
texts = [bytes([byte]) for byte in range(256)]
for number in range(3000):
    length = random.randint(1, 1024)
    texts.append(bytes(random.choices(alphabets[number % 5], k=length)))
print(json.dumps([[list(text), repr(text)] for text in texts]))`;
  const { stdout } = await new Program("python3", "-c", python).end();
  const pairs: [number[], string][] = JSON.parse(stdout);
  assertEquals(pairs.length, 3256);
  for (const [bytes, literal] of pairs) {
    assertEquals(bytesLiteral(Uint8Array.from(bytes)), literal);
  }
});

Deno.test("send() repeats a write that takes only three bytes", async () => {
  for (const text of ["", "x", "abc", "0123456789", "Grüße 🦕"]) {
    const written: number[] = [];
    const write = (bytes: Uint8Array) => {
      const taken = bytes.subarray(0, 3);
      written.push(...taken);
      return Promise.resolve(taken.length);
    };
    await send({ write } as Deno.Conn, text);
    assertEquals(Uint8Array.from(written), encode(text));
  }
});

test("socket_preview.ts prints its five lines, ten times in a row", async () => {
  for (let count = 0; count < 10; count++) {
    const { code, stdout, stderr } = await run("socket_preview.ts");
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

test("the original prints the same five lines", "python3", async () => {
  const original = new Program("python3", "tests/peers/original.py");
  const { code, stdout, stderr } = await original.end();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(sortLines(stdout), fiveLines);
});

test("socket_preview.ts connects its five clients at once", async () => {
  const gatherFive = preload(() => {
    const { connect } = Deno;
    const { promise, resolve } = Promise.withResolvers<void>();
    let count = 0;
    Deno.connect = (async (options: Deno.ConnectOptions) => {
      if (++count === 5) resolve();
      await promise;
      return await connect(options);
    }) as typeof Deno.connect;
  });
  const { code, stdout } = await run(gatherFive, "socket_preview.ts");
  assertEquals([code, sortLines(stdout)], [0, fiveLines]);
});

test("socket_preview.ts ends with the error of a client", async () => {
  const failThird = preload(() => {
    const { connect } = Deno;
    let count = 0;
    Deno.connect = ((options: Deno.ConnectOptions) => {
      if (++count < 3) return connect(options);
      return Promise.reject(new Deno.errors.ConnectionReset("simulated"));
    }) as typeof Deno.connect;
  });
  const { code, stderr } = await run(failThird, "socket_preview.ts");
  assertMatch(stderr, /^error: Uncaught .*ConnectionReset: simulated\n/);
  assertEquals(code, 1);
});

test("socket_preview.ts quotes every statement of the original", async () => {
  const source = await readProject("socket_preview.ts");
  assert(!/^import /m.test(source), "it has an import");
  const comments = source.match(/\/\/ .*/g)!.join("\n");
  const statements = `from socket import|port = 50008|host = 'localhost'|
    sock = socket(|sock.bind(('', port))|sock.listen(5)|while True|
    conn, addr = sock.accept()|data = conn.recv(1024)|reply = '|
    conn.send(reply.encode())|sock = socket(|sock.connect((host, port))|
    sock.close()|sock.send(name.encode())|reply = sock.recv(1024)|print('|
    if __name__ == '__main__'|from threading import Thread|
    sthread = Thread(target=server)|sthread.daemon = True|sthread.start()|
    for i in range(5)|Thread(target=client`;
  let place = 0;
  for (const statement of statements.split("|")) {
    place = comments.indexOf(statement.trim(), place);
    assert(place >= 0, `${statement} is missing or out of place`);
  }
});

/** Runs Deno on a copy of the script, in a folder with a strict deno.json. */
async function runInStrictProject(commands: string[][]) {
  const compilerOptions = Object.fromEntries([
    "exactOptionalPropertyTypes",
    "noImplicitReturns",
    "noPropertyAccessFromIndexSignature",
    "noUncheckedIndexedAccess",
    "noUnusedLocals",
    "noUnusedParameters",
    "verbatimModuleSyntax",
  ].map((option) => [option, true]));
  const lint = { rules: { tags: ["recommended", "jsr"] } };
  const cwd = await Deno.makeTempDir();
  const config = JSON.stringify({ compilerOptions, lint });
  await Deno.writeTextFile(`${cwd}/deno.json`, config);
  await Deno.copyFile("socket_preview.ts", `${cwd}/socket_preview.ts`);
  try {
    for (const command of commands) {
      const args = [...command, "socket_preview.ts"];
      const child = new Deno.Command(Deno.execPath(), { args, cwd }).spawn();
      console.log(`${args[0]}: ${(await child.status).code}`);
    }
  } finally {
    await Deno.remove(cwd, { recursive: true });
  }
}

test("socket_preview.ts passes strict checks on its own", async () => {
  const allowNet = "--allow-net=localhost:50008";
  const commands = [
    ["check", "-q"],
    ["doc", "-q", "--lint"],
    ["fmt", "-q", "--check"],
    ["lint", "-q"],
    ["run", "-q", "--no-remote", "--no-npm", "--no-prompt", allowNet],
  ];
  const source = `${runInStrictProject}
    await runInStrictProject(${JSON.stringify(commands)});`;
  const project = new Program(Deno.execPath(), "eval", source);
  const { stdout, stderr } = await project.end();
  const codes = commands.map(([name]) => `${name}: 0\n`).join("");
  assertEquals(stderr, "");
  assertEquals(sortLines(stdout), sortLines(fiveLines + codes));
});

/** Starts the script, and has its server keep running after the five clients. */
async function startScript(...flags: string[]): Promise<Program> {
  const script = start(preload(stay), ...flags, "socket_preview.ts");
  await script.printed(flags.length > 0 ? "listening\n" : "stays\n");
  return script;
}

test("server() survives resets, and prints a line for each", async () => {
  await using script = await startScript(preload(holdAccepts));
  for (let count = 0; count < 100; count++) await reset();
  await script.closeInput();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  // When a later client has been answered, this one has been accepted.
  await reset("", async () => void await exchange("later"));
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const { stderr } = await script.stop();
  assertMatch(stderr, /^(NotConnected: .*\n){100}\w+: .*\n$/);
});

test("server() serves others beside silent and odd clients", async () => {
  await using script = await startScript();
  const silent = await connectMany(100);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  using half = await connect();
  await half.closeWrite();
  assertEquals(await readAll(half), "server got: [b'']");
  using long = await connect();
  await long.write(new Uint8Array(5000).fill(97));
  const reply = `server got: [b'${"a".repeat(1024)}']`;
  assertEquals(await readOnce(long), reply);
  const numbers = Array.from({ length: 100 }, (_, i) => `${i}`);
  const replies = await Promise.all(numbers.map(exchange));
  assertEquals(replies, numbers.map((i) => `server got: [b'${i}']`));
  for (const connection of silent) connection.close();
  assertEquals((await script.stop()).stderr, "");
});

test("server() waits 5 ms after any other accept error", async () => {
  const failures: [number, string][] = [
    [0, "NotConnected"],
    [0, "EMFILE"],
    [0, "EINVAL"],
  ];
  const flag = preload(failAccepts, 5, failures);
  await using script = start(preload(stay), flag, "socket_preview.ts");
  await script.printed("stays\n");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const { stdout, stderr } = await script.stop();
  assertEquals(sortLines(stdout), `5 ms\n5 ms\n${fiveLines}stays\n`);
  const names = ["NotConnected", "TypeError", "TypeError"];
  assertEquals(stderr, names.map((name) => `${name}: simulated\n`).join(""));
});

/** What `client()` sends and prints, if a server replies with some bytes. */
async function clientBeside(name: string, reply: string) {
  using listener = listen();
  const { log } = console;
  const printed: string[] = [];
  console.log = (line: string) => printed.push(line);
  const ending = client(name).finally(() => console.log = log);
  using connection = await within(listener.accept(), "the client");
  await connection.write(encode(reply));
  await connection.closeWrite();
  const sent = await readAll(connection); // until the client closes
  await ending;
  return { sent, printed };
}

test("client() sends its name, prints the reply, and closes", async () => {
  const quoted = { sent: "Grüße", printed: [`client got: [b"it's"]`] };
  assertEquals(await clientBeside("Grüße", "it's"), quoted);
  const empty = { sent: "x", printed: ["client got: [b'']"] };
  assertEquals(await clientBeside("x", ""), empty);
});

test("client() rejects with Deno's error if there is no server", async () => {
  await assertRejects(() => client("anyone"), Deno.errors.ConnectionRefused);
});
