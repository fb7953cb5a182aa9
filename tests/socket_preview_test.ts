import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { exchange } from "../client.ts";
import { answer, bytesLiteral, client, server } from "../socket_preview.ts";
import {
  encode,
  listen,
  narrow,
  narrowConnect,
  pair,
  readAll,
  replace,
  root,
  simulateTime,
  timeout,
} from "./helpers.ts";
import { deno, preload, run } from "./program.ts";

Deno.test("bytesLiteral() returns what Python prints for bytes", () => {
  const literals = {
    "": "b''",
    " it's ": `b" it's "`,
    'say "hi"': `b'say "hi"'`,
    "both '' and \"": `b'both \\'\\' and "'`,
    "\\\t\n\r\\\t\n\r": "b'\\\\\\t\\n\\r\\\\\\t\\n\\r'",
    "\0\x0f\x1f\x7f ~éé": "b'\\x00\\x0f\\x1f\\x7f ~\\xc3\\xa9\\xc3\\xa9'",
  };
  for (const [text, literal] of Object.entries(literals)) {
    assertEquals(bytesLiteral(encode(text)), literal);
  }
  const high = Uint8Array.of(0x80, 0x9f, 0xa0, 0xff); // not the end of UTF-8
  assertEquals(bytesLiteral(high), "b'\\x80\\x9f\\xa0\\xff'");
  assertEquals(bytesLiteral(new Uint8Array(200_000)).length, 800_003);
});

Deno.test("answer() sends all of its reply", { timeout }, async () => {
  for (const count of [0, 1, 1024, 5000]) {
    const [conn, other] = await pair();
    using _conn = conn;
    await conn.write(new Uint8Array(count).fill(97));
    await conn.closeWrite();
    await answer(narrow(other));
    const quoted = "a".repeat(Math.min(count, 1024));
    assertEquals(await readAll(conn), `server got: [b'${quoted}']`);
  }
});

Deno.test("A connection is closed if its function fails", async () => {
  const error = new Error("simulated");
  for (const fault of ["read", "write"]) {
    let closed = 0;
    const conn = {
      localAddr: { hostname: "::1", port: 1 },
      remoteAddr: { hostname: "::1", port: 2 },
      read: () => Promise.resolve(1),
      write: () => Promise.resolve(1),
      [fault]: () => Promise.reject(error),
      [Symbol.dispose]: () => closed++,
    } as unknown as Deno.TcpConn;
    using _connect = replace(Deno, "connect", () => Promise.resolve(conn));
    assertEquals(await assertRejects(() => answer(conn), Error), error);
    assertEquals(await assertRejects(() => client("a"), Error), error);
    const { cause } = await assertRejects(() => exchange("a"), Error);
    assertEquals([cause, closed], [error, 3]);
  }
});

Deno.test("The script fails if its port is taken", { timeout }, async () => {
  const source = await Deno.readTextFile(new URL("socket_preview.ts", root));
  assert(!/\bimport\b(?!\.meta\.main)/.test(source));
  using _listener = listen();
  const { code, stdout, stderr } = await run(deno("socket_preview.ts"));
  assertEquals([code, stdout], [1, ""]);
  assertMatch(stderr, /^error: Uncaught [^\n]*AddrInUse: /);
});

Deno.test("The script ends if a client fails", { timeout }, async () => {
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

Deno.test("server() waits 1 ms after an accept fails", async () => {
  const printed: string[] = [];
  const times: number[] = [];
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
      assertEquals(options, { hostname: "localhost", port: 50008 });
      return { accept };
    };
    using _listen = replace(Deno, "listen", listen);
    server();
  });
  assertEquals(times, [0, 1, 2]);
  assertEquals(printed, Array(2).fill("NotConnected: simulated"));
});

Deno.test("client() sends, prints and closes", { timeout }, async () => {
  using listener = listen();
  using _connect = narrowConnect();
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
