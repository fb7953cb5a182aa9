/**
 * The code of the README's sections "From Python to Deno" and "One read is not
 * one message", as code that runs. `readme_test.ts` compares it with the page.
 * Each comment on a line of its own is the Python side of a row of the table.
 *
 * @module
 */

import {
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";
import { receive, report, send } from "../socket_preview.ts";
import {
  assertTakes,
  encode,
  listen,
  pair,
  readAll,
  replace,
  sleep,
  timeout,
} from "./helpers.ts";
import { reset } from "./peers/reset.ts";

const hostname = "localhost";
const port = 50008;
const { BadResource, Interrupted, UnexpectedEof } = Deno.errors;

async function inTime<T>(conn: Deno.Conn, limit: number, work: Promise<T>) {
  const timer = setTimeout(() => conn[Symbol.dispose](), limit);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

async function* messages(conn: Deno.Conn): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let message = "";
  while (true) {
    const data = await receive(conn);
    if (data.length === 0) break; // the other side has finished sending
    const text = decoder.decode(data, { stream: true });
    const [end, ...starts] = text.split("\n");
    message += end;
    for (const start of starts) {
      yield message;
      message = start;
    }
  }
  message += decoder.decode(); // TypeError if the last character was cut off
  if (message !== "") yield message; // a last line without a line break
}

async function chat(conn: Deno.Conn) {
  const lines = messages(conn);
  const name = (await lines.next()).value; // the first line, or undefined
  for await (const line of lines) { // all others
    await send(conn, new TextEncoder().encode(`${name}: ${line}\n`));
  }
}

async function sendMessage(conn: Deno.Conn, data: Uint8Array): Promise<void> {
  const bytes = new Uint8Array(4 + data.length);
  new DataView(bytes.buffer).setUint32(0, data.length);
  bytes.set(data, 4);
  await send(conn, bytes);
}

async function receiveMessage(conn: Deno.Conn): Promise<Uint8Array> {
  const header = await receiveExactly(conn, 4);
  return await receiveExactly(conn, new DataView(header.buffer).getUint32(0));
}

async function receiveExactly(conn: Deno.Conn, size: number) {
  const bytes = new Uint8Array(size);
  let filled = 0;
  while (filled < size) {
    const count = await conn.read(bytes.subarray(filled));
    if (count === null) throw new Deno.errors.UnexpectedEof();
    filled += count;
  }
  return bytes;
}

Deno.test("README: rows about connections", { timeout }, async () => {
  // sock.bind((host, port)), listen()
  const listener = Deno.listen({ hostname, port });

  async function echo() {
    // conn, addr = sock.accept()
    const conn = await listener.accept();
    // ip = addr[0]
    const ip = conn.remoteAddr.hostname;
    assertMatch(ip, /^(127\.0\.0\.1|::1)$/);
    while (true) {
      // data = conn.recv(1024)
      const data = await receive(conn);
      if (data.length === 0) break;
      // conn.sendall(data)
      await send(conn, data);
    }
    // conn.close()
    conn[Symbol.dispose]();
    conn[Symbol.dispose](); // the second time, it does nothing
    assertThrows(() => conn.close(), BadResource);
  }

  async function talk(text: string) {
    // sock.connect((host, port))
    const conn = await Deno.connect({ hostname, port });
    // conn.sendall(text.encode())
    await send(conn, new TextEncoder().encode(text));
    // conn.shutdown(SHUT_WR)
    await conn.closeWrite();
    assertEquals(decode(await receive(conn)), text);
    conn.close();
  }

  function decode(data: Uint8Array): string {
    // text = data.decode()
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(data);
    return text;
  }

  const printed: string[] = [];
  const print = (line: string) => printed.push(line);
  using _error = replace(console, "error", print);
  for (const f of [echo, () => echo().then(() => Promise.reject("late"))]) {
    // thread = Thread(target=f), start()
    const promise = f().catch(report);
    await talk("\uFEFFGrüße");
    // thread.join()
    await promise;
  }
  assertEquals(printed, ["late"]);
  assertThrows(() => decode(Uint8Array.of(255)), TypeError);
  const last =
    // the same, in at most two seconds
    await Deno.connect({ hostname, port, signal: AbortSignal.timeout(2000) });
  last.close();
  listener.close();
});

Deno.test("README: the row about a reset", { timeout }, async () => {
  using listener = listen();
  const accepting = listener.accept();
  const resetting = reset(() => accepting);
  using conn = await accepting;
  await resetting;
  const talking = receive(conn).then(() => send(conn, encode("late")));
  const error = await assertRejects(() => talking, Error);
  // except ConnectionResetError:
  if (error instanceof Deno.errors.ConnectionReset) return;
  throw error;
});

Deno.test("README: the row about conn.settimeout", { timeout }, async () => {
  const [active, conn] = await pair();
  for (let count = 0; count < 3; count++) {
    await active.write(encode("still here"));
    // conn.settimeout(2), recv(1024)
    const data = await inTime(conn, 2000, receive(conn));
    assertEquals(data, encode("still here"));
    // conn.settimeout(2), sendall(data)
    await inTime(conn, 2000, send(conn, data));
    await sleep(800); // in all, this takes more than two seconds
  }
  await assertTakes(300, async () => {
    const sending = inTime(conn, 300, send(conn, new Uint8Array(50_000_000)));
    await assertRejects(() => sending, Interrupted); // as nobody reads it
  });
  active.close();
  const [silent, conn2] = await pair();
  await assertTakes(300, async () => {
    const receiving = inTime(conn2, 300, receive(conn2));
    await assertRejects(() => receiving, Interrupted);
  });
  await assertRejects(() => receive(conn2), BadResource);
  await assertRejects(() => send(conn2, encode("late")), BadResource);
  silent.close();
});

Deno.test("README: messages arrive one by one", { timeout }, async () => {
  const cases: [pieces: string[], expected: string[]][] = [
    [["one m", "essag", "e\n"], ["one message"]],
    [["\xef\xbb\xbfa\nb\n\nc\n"], ["\uFEFFa", "b", "", "c"]],
    [["Gr\xc3", "\xbc\xc3\x9fe\nx"], ["Grüße", "x"]],
    [[], []],
  ];
  for (const [pieces, expected] of cases) {
    const [client, conn] = await pair();
    const received = Array.fromAsync(messages(conn));
    for (const piece of pieces) {
      await client.write(Uint8Array.from(piece, (c) => c.charCodeAt(0)));
      await sleep(50);
    }
    client.close();
    assertEquals(await received, expected);
    conn.close();
  }
  const [client, conn] = await pair();
  await client.write(encode("café").subarray(0, 4));
  client.close();
  await assertRejects(() => Array.fromAsync(messages(conn)), TypeError);
  conn.close();
});

Deno.test("README: a name and lines in one write", { timeout }, async () => {
  const [client, conn] = await pair();
  await client.write(encode("Alice\nhello\nbye\n"));
  await client.closeWrite();
  await chat(conn);
  conn.close();
  assertEquals(await readAll(client), "Alice: hello\nAlice: bye\n");
  client.close();
});

Deno.test("README: messages follow their lengths", { timeout }, async () => {
  const [client, conn] = await pair();
  const sent = [encode(""), encode("hello"), new Uint8Array(140_000_000)];
  const sending = (async () => {
    for (const data of sent) await sendMessage(client, data);
  })();
  for (const data of sent) {
    const received = await receiveMessage(conn);
    assertEquals(received.length, data.length);
    assertEquals(received.subarray(0, 9), data.subarray(0, 9));
  }
  await sending;
  await client.write(Uint8Array.of(0, 0, 0, 1, 97, 0, 0, 0, 2, 97));
  client.close();
  assertEquals(await receiveMessage(conn), encode("a"));
  await assertRejects(() => receiveMessage(conn), UnexpectedEof); // cut off
  await assertRejects(() => receiveMessage(conn), UnexpectedEof); // at the end
  conn.close();
});
