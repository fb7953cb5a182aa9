/**
 * The promises of `socket_preview.ts`: its bytes, what it prints, how it reads,
 * and what its server outlives.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  answer,
  bytesLiteral,
  client,
  receive,
  send,
} from "../socket_preview.ts";
import {
  connect,
  denoRun,
  encode,
  exchange,
  fiveLines,
  listen,
  permitted,
  Program,
  readAll,
  readOnce,
  readProject,
  reset,
  run,
  sleep,
  sortLines,
  start,
  startShell,
  test,
  until,
} from "./helpers.ts";

if (!permitted) {
  const name = "nothing on the network was tested: run deno task test";
  Deno.test.ignore(name, () => {});
}

/** A connection of which a `read` gives what comes in, and a `write` takes three bytes. */
class Pieces {
  written: number[] = [];
  constructor(readonly incoming: string[]) {}

  read(buffer: Uint8Array): Promise<number | null> {
    const piece = this.incoming.shift();
    if (piece === undefined) return Promise.resolve(null);
    const bytes = encode(piece).subarray(0, buffer.length);
    buffer.set(bytes);
    return Promise.resolve(bytes.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, 3);
    this.written.push(...taken);
    return Promise.resolve(taken.length);
  }

  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.written));
  }
}

function connection(...incoming: string[]): Pieces & Deno.Conn {
  return new Pieces(incoming) as unknown as Pieces & Deno.Conn;
}

Deno.test("bytesLiteral() writes bytes as Python does", () => {
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

Deno.test("receive() returns what one read gives, up to 1024 bytes", async () => {
  const twice = connection("one", "two");
  assertEquals(await receive(twice), encode("one"));
  assertEquals(await receive(twice), encode("two"));
  assertEquals(await receive(twice), new Uint8Array()); // the end of input
  const long = await receive(connection("a".repeat(5000)));
  assertEquals(long, encode("a".repeat(1024)));
});

Deno.test("send() sends all of a text, even a few bytes at a time", async () => {
  for (const text of ["", "x", "abc", "0123456789", "Grüße 🦕"]) {
    const pieces = connection();
    await send(pieces, text);
    assertEquals(pieces.text, text);
  }
});

Deno.test("answer() sends back what it read, even if that is nothing", async () => {
  const replies = { "hello": "b'hello'", "it's": `b"it's"`, "": "b''" };
  for (const [message, literal] of Object.entries(replies)) {
    const pieces = message ? connection(message, "more") : connection();
    await answer(pieces);
    assertEquals(pieces.text, `server got: [${literal}]`);
  }
});

test("bytesLiteral() agrees with Python, 3256 times", "python3", async () => {
  const { stdout, stderr } = await new Program(
    "python3",
    "tests/peers/literals.py",
  ).end();
  assertEquals(stderr, "");
  const pairs = stdout.trimEnd().split("\n").map((line) =>
    line.split(" ").map((hex) =>
      Uint8Array.from(hex.match(/../g)!, (digits) => parseInt(digits, 16))
    )
  );
  assertEquals(pairs.length, 3256);
  for (const [message, reply] of pairs) {
    const text = new TextDecoder().decode(reply);
    assertEquals(`server got: [${bytesLiteral(message)}]`, text);
  }
});

test("socket_preview.ts prints the original's five lines, 20 times in a row", async () => {
  for (let count = 0; count < 20; count++) {
    const { code, stdout, stderr } = await run("socket_preview.ts");
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

test("socket_preview.ts prints what Python prints", "python3", async () => {
  const { stdout } = await new Program("python3", "tests/peers/original.py")
    .end();
  assertEquals(sortLines(stdout), fiveLines);
});

test("socket_preview.ts serves its five clients at once, and ends with them", async () => {
  await using script = start(
    "--preload=tests/peers/gate.ts",
    "socket_preview.ts",
  );
  await script.printed("listening\n");
  using _outsider = await connect(); // stays, and would have to be waited for
  const { code, stdout } = await script.end();
  assertEquals(sortLines(stdout), fiveLines);
  assertEquals(code, 0);
});

test("socket_preview.ts shows Deno's own error, which names what is missing", async () => {
  const flags = denoRun("--allow-net=localhost:50009");
  const script = new Program(Deno.execPath(), ...flags, "socket_preview.ts");
  const { code, stdout, stderr } = await script.end();
  assert(stderr.includes('Requires net access to "localhost:50008"'), stderr);
  assertEquals([code, stdout], [1, ""]);
});

test("socket_preview.ts shows Deno's own error if its port is taken", async () => {
  using _listener = listen();
  const { code, stdout, stderr } = await run("socket_preview.ts");
  assert(stderr.includes("AddrInUse: Address already in use"), stderr);
  assertEquals([code, stdout], [1, ""]);
});

test("socket_preview.ts tells the original's story, in its order", async () => {
  const source = await readProject("socket_preview.ts");
  assert(!/^import|\bimport\(/m.test(source), "it imports something");
  const story = [
    ["// from socket import"],
    ["const port", "port = 50008"],
    ["const host", "host = 'localhost'"],
    ["function server(", "sock = socket(", "sock.bind(", "sock.listen(5)"],
    ["while (true)", "while True", "conn, addr = sock.accept()"],
    ["function answer(", "data = conn.recv(1024)", "reply = ", "conn.send("],
    ["function client(", "sock = socket(", "sock.connect(", "sock.close()"],
    ["sock.send(name.encode())", "reply = sock.recv(1024)", "print("],
    ["import.meta.main", "if __name__ == '__main__'"],
    ["from threading import Thread", "sthread = Thread(", "sthread.start()"],
    ["for i in range(5): Thread(target=client", "start()"],
    ["sthread.daemon = True"],
    ["function send(", "function receive(", "function bytesLiteral("],
  ];
  let place = 0;
  for (const part of story.flat()) {
    place = source.indexOf(part, place);
    assert(place >= 0, `${part} is missing, or not in its place`);
  }
});

/** Copies the script into an empty folder, and has a shell go on there. */
const copy = (commands: string) =>
  `folder=$(mktemp -d) && trap 'rm -r "$folder"' EXIT
  trap 'kill $!; wait; exit 1' HUP INT TERM
  cp socket_preview.ts "$folder" && cd "$folder" && ${commands}`;

test("socket_preview.ts suits a strict project", "sh", async () => {
  const strict = JSON.stringify({
    compilerOptions: {
      exactOptionalPropertyTypes: true,
      noImplicitReturns: true,
      noPropertyAccessFromIndexSignature: true,
      noUncheckedIndexedAccess: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      verbatimModuleSyntax: true,
    },
    lint: {
      rules: {
        tags: ["recommended", "jsr"],
        include: ["no-await-in-sync-fn"],
      },
    },
  });
  const { code, stdout, stderr } = await startShell(
    copy(`printf '%s' "$1" >deno.json &&
  "$0" run -q --no-remote --no-npm --no-prompt \\
    --allow-net=localhost:50008 socket_preview.ts &&
  "$0" check -q *.ts && "$0" lint -q *.ts && "$0" doc --lint -q *.ts`),
    strict,
  ).end();
  assertEquals(stderr, "");
  assertEquals(sortLines(stdout), fiveLines);
  assertEquals(code, 0);
});

/** Starts `server()` by itself, as a copy would run it, in an empty folder. */
async function startCopy(before = "", after = ""): Promise<Program> {
  const server = startShell(copy(`${before}
    echo 'import { server } from "./socket_preview.ts"; server();' >alone.ts
    "$0" run -q --no-config --no-prompt --allow-net=localhost:50008 alone.ts ${after} &
    echo "$!"; wait "$!"`));
  await server.printed("\n");
  while (true) {
    const connection = await connect().catch(() => undefined);
    connection?.close(); // at the end of input it is answered
    if (connection) return server;
    await sleep(10);
  }
}

/** Sends a signal to the Deno that `startCopy` has started. */
async function signal(server: Program, name: string) {
  await startShell(`kill -${name} ${server.stdout}`).end();
}

test(
  "server() outlives resets, and prints a line for each",
  "sh",
  "resetAndDestroy",
  async () => {
    await using server = await startCopy();
    await signal(server, "STOP"); // so that they reset before they are accepted
    await reset("reset", 300);
    await signal(server, "CONT");
    const start = performance.now();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    const elapsed = performance.now() - start; // a pause for each would be 30 s
    assert(elapsed < 5000, `the next client waited for ${elapsed} ms`);
    assertMatch(server.stderr, /^(NotConnected: .*\n){300}$/);

    await signal(server, "STOP");
    await reset("after", 300);
    await signal(server, "CONT");
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    await reset("late", 2);
    await until(
      () => /(ConnectionReset: .*\n){2}$/.test(server.stderr),
      "two more are",
    );
    assertMatch(server.stderr, /^(\w+: .*\n)*$/);
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  },
);

test("server() answers beside silent and odd clients", "sh", async () => {
  await using server = await startCopy();
  const silent = await Promise.all(Array.from({ length: 100 }, connect));
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  using half = await connect();
  await half.closeWrite();
  assertEquals(await readAll(half), "server got: [b'']");
  using long = await connect();
  assertEquals(await long.write(new Uint8Array(5000).fill(97)), 5000);
  assertEquals(await readOnce(long), `server got: [b'${"a".repeat(1024)}']`);
  const many = Array.from({ length: 500 }, (_, i) => exchange(`${i}`));
  const replies = Array.from(
    { length: 500 },
    (_, i) => `server got: [b'${i}']`,
  );
  assertEquals(await Promise.all(many), replies);
  for (const connection of silent) connection.close();
  assertEquals(server.stderr, "");
});

test("server() waits for descriptors, then goes on", "sh", async () => {
  await using server = await startCopy("ulimit -n 64;");
  await sleep(600); // half a second after its start, Deno opens two more
  const silent = await Promise.all(Array.from({ length: 120 }, connect));
  await server.printed("Too many open files");
  const before = server.stderr.split("\n").length;
  await sleep(750);
  const failures = server.stderr.split("\n").length - before;
  assert(failures > 3 && failures < 9, `${failures} failures in 750 ms`);
  for (const connection of silent) connection.close();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertMatch(server.stderr, /^(Error: Too many open files.*\n)+$/);
});

test(
  "server() ends where it cannot print a failure",
  "sh",
  "resetAndDestroy",
  async () => {
    await using server = await startCopy("", "2>/dev/full");
    await reset("late", 1);
    assertEquals((await server.end()).code, 1);
  },
);

/** What `client()` prints for a name, where a server replies with some bytes. */
async function clientPrints(name: string, reply: string) {
  using listener = listen();
  const sent: string[] = [];
  const serving = (async () => {
    using connection = await listener.accept();
    sent.push(await readOnce(connection));
    if (reply) await connection.write(encode(reply));
    sent.push(reply && await readOnce(connection)); // nothing more: it is closed
  })();
  const { log } = console;
  const printed: string[] = [];
  console.log = (line: string) => printed.push(line);
  await client(name).finally(() => console.log = log);
  await serving;
  return [...sent, ...printed];
}

test("client() sends its name, prints the reply, and closes", async () => {
  const printed = await clientPrints("Grüße", "it's");
  assertEquals(printed, ["Grüße", "", `client got: [b"it's"]`]);
});

test("client() prints an empty reply where the server closes without one", async () => {
  assertEquals(await clientPrints("x", ""), ["x", "", "client got: [b'']"]);
});

test("client() rejects with Deno's own error where no server listens", async () => {
  await assertRejects(() => client("anyone"), Deno.errors.ConnectionRefused);
});
