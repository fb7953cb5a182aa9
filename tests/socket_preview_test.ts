/**
 * The promises of `socket_preview.ts`: what its functions do for those who copy
 * them. What it prints, and what misbehaving clients do, is in `readme_test.ts`.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { answer, bytesLiteral, client, server } from "../socket_preview.ts";
import {
  encode,
  listen,
  narrow,
  narrowConnect,
  pair,
  readAll,
  replace,
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

Deno.test("server() waits 5 ms after an accept fails", async () => {
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
  assertEquals(times, [0, 5, 10]);
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
