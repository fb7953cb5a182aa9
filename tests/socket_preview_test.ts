/**
 * The promises of `socket_preview.ts`: what it prints, and what its functions
 * do for those who copy them. What misbehaving clients do is in `faults_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  answer,
  bytesLiteral,
  client,
  send,
  server,
} from "../socket_preview.ts";
import {
  encode,
  listen,
  narrowConn,
  pair,
  readAll,
  readProject,
  replace,
  simulateTime,
} from "./helpers.ts";
import { deno, preload, run } from "./program.ts";
import { succeeds, test } from "./setup.ts";

Deno.test("bytesLiteral() returns what Python prints for bytes", () => {
  const literals = {
    "": "b''",
    "client0": "b'client0'",
    "it's": `b"it's"`,
    'say "hi"': `b'say "hi"'`,
    "both ' and \"": `b'both \\' and "'`,
    "''\"": `b'\\'\\'"'`,
    "\\": "b'\\\\'",
    "\t\n\r\t\n\r": "b'\\t\\n\\r\\t\\n\\r'",
    "\0\x0f\x1f\x7f ~": "b'\\x00\\x0f\\x1f\\x7f ~'",
    "éé": "b'\\xc3\\xa9\\xc3\\xa9'",
  };
  for (const [text, literal] of Object.entries(literals)) {
    assertEquals(bytesLiteral(encode(text)), literal);
  }
  assertEquals(bytesLiteral(new Uint8Array(200_000)).length, 800_003);
});

test("bytesLiteral() agrees with Python on 3000 texts", async () => {
  const python = `import random
random.seed(50008)
alphabets = [bytes(range(256)), b"'\\"\\\\", b"'x", b'"x', b"\\t\\n\\r\\0\\x7f ~"]
for number in range(3000):
    text = bytes(random.choices(alphabets[number % 5], k=number % 500))
    print(text.hex(), repr(text))`;
  const { stdout } = await run(["python3", "-c", python]);
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.length, 3000);
  for (const line of lines) {
    const [hex, literal] = line.split(/ (.*)/);
    assertEquals(bytesLiteral(Uint8Array.fromHex(hex!)), literal);
  }
}, { ignore: !await succeeds(["python3", "-c", ""]) });

Deno.test("send() and answer() repeat a write that takes three bytes", async () => {
  for (const text of ["", "x", "abc", "0123456789"]) {
    const conn = narrowConn("");
    await send(conn, encode(text));
    assertEquals(conn.written, text);
  }
  const conn = narrowConn("hello");
  await answer(conn);
  assertEquals(conn.written, "server got: [b'hello']");
});

test("answer() reads up to 1024 bytes, and closes", async () => {
  for (const count of [0, 1, 1024, 5000]) {
    const [conn, other] = await pair();
    using _conn = conn;
    await conn.write(new Uint8Array(count).fill(97));
    await conn.closeWrite();
    await answer(other);
    const quoted = "a".repeat(Math.min(count, 1024));
    assertEquals(await readAll(conn), `server got: [b'${quoted}']`);
  }
});

test("socket_preview.ts connects five at once, and ends if one fails", async () => {
  const failFifth = preload(`let count = 0;
    const { promise, reject } = Promise.withResolvers();
    Deno.connect = () => {
      if (++count === 5) reject(new Error("simulated"));
      return promise;
    };`);
  const { code, stderr } = await run(deno(failFifth, "socket_preview.ts"));
  assertMatch(stderr, /^error: Uncaught .*Error: simulated\n/);
  assertEquals(code, 1);
});

test("socket_preview.ts quotes the original, and imports nothing", async () => {
  const source = await readProject("socket_preview.ts");
  assert(!/^import /m.test(source));
  const lines =
    `port = 50008|host = 'localhost'|sock.bind(('', port))|while True:|
    conn, addr = sock.accept()|data = conn.recv(1024)|conn.send(reply.encode())|
    sock.connect((host, port))|sock.send(name.encode())|reply = sock.recv(1024)|
    if __name__ == '__main__':|sthread.start()|for i in range(5)|sthread.daemon`;
  let place = 0;
  for (const line of lines.split("|")) {
    place = source.indexOf(line.trim(), place);
    assert(place >= 0, `${line} is missing or out of place`);
  }
});

Deno.test("server() waits 5 ms after an accept fails", async () => {
  const printed: string[] = [];
  const times: number[] = [];
  let given: unknown;
  using clock = simulateTime();
  const print = (line: string) => printed.push(line);
  using _error = replace(console, "error", print);
  await new Promise<void>((resolve) => {
    function accept() {
      times.push(clock.now);
      if (times.length < 3) throw new Deno.errors.NotConnected("simulated");
      resolve();
      return new Promise(() => {}); // nobody comes
    }
    const listen = (options: unknown) => {
      given = options;
      return { accept };
    };
    using _listen = replace(Deno, "listen", listen);
    server();
  });
  assertEquals(given, { hostname: "localhost", port: 50008 });
  assertEquals(times, [0, 5, 10]);
  assertEquals(printed, Array(2).fill("NotConnected: simulated"));
});

test("client() sends its name, prints the reply, and closes", async () => {
  using listener = listen();
  const printed: string[] = [];
  using _log = replace(console, "log", (line: string) => printed.push(line));
  for (const reply of ["it's", ""]) {
    const ending = client("Grüße");
    using conn = await listener.accept();
    await conn.write(encode(reply));
    await conn.closeWrite();
    assertEquals(await readAll(conn), "Grüße"); // until the client closes
    await ending;
  }
  assertEquals(printed, [`client got: [b"it's"]`, "client got: [b'']"]);
});
