/**
 * The code of the README's sections "From Python to Deno" and "One read is not
 * one message", as code that runs. `readme_test.ts` compares it with the page. A
 * line that the table shows has its Python side above it.
 *
 * @module
 */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { receive, send } from "../socket_preview.ts";
import { encode, listen, pair, readAll, replace, sleep } from "./helpers.ts";
import { test } from "./setup.ts";

const hostname = "localhost";
const port = 50008;

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
  if (message !== "") yield message; // a last line without a line break
}

async function chat(conn: Deno.Conn) {
  const lines = messages(conn);
  const name = (await lines.next()).value; // the first line
  for await (const line of lines) { // all others
    await send(conn, new TextEncoder().encode(`${name}: ${line}\n`));
  }
}

async function sendMessage(conn: Deno.Conn, data: Uint8Array): Promise<void> {
  const header = new Uint8Array(4);
  new DataView(header.buffer).setUint32(0, data.length);
  await send(conn, new Uint8Array([...header, ...data]));
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

test("README: the table's rows about connections", async () => {
  // sock.bind((host, port)), listen()
  const listener = Deno.listen({ hostname, port });

  async function echo() {
    // conn, addr = sock.accept()
    const conn = await listener.accept();
    assertEquals(conn.remoteAddr.hostname, conn.localAddr.hostname);
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
    assertThrows(() => conn.close(), Deno.errors.BadResource);
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

  const errors: unknown[] = [];
  const report = (error: unknown) => errors.push(error);
  for (const f of [echo, () => echo().then(() => Promise.reject("late"))]) {
    // thread = Thread(target=f), start()
    const thread = f().catch(report);
    await talk("\uFEFFGrüße");
    // thread.join()
    await thread;
  }
  assertEquals(errors, ["late"]);
  assertThrows(() => decode(Uint8Array.of(255)), TypeError);
  listener.close();
});

test("README: the table's rows about time", async () => {
  const [other, conn] = await pair();
  // conn.settimeout(2)
  const timer = setTimeout(() => conn[Symbol.dispose](), 2000);
  await assertRejects(() => receive(conn), Deno.errors.Interrupted);
  await assertRejects(() => receive(conn), Deno.errors.BadResource);
  clearTimeout(timer);
  other.close();
  using _listener = listen();
  const connectInTime = async () =>
    // the same, in at most two seconds
    await Deno.connect({ hostname, port, signal: AbortSignal.timeout(2000) });
  (await connectInTime()).close();
  const over = AbortSignal.timeout(0);
  await new Promise((resolve) => over.onabort = resolve);
  using _timeout = replace(AbortSignal, "timeout", () => over);
  const error = await assertRejects(connectInTime, DOMException);
  assertEquals(error.name, "TimeoutError");
});

test("README: messages arrive one by one, however split", async () => {
  const cases: [pieces: string[], expected: string[]][] = [
    [["one m", "essag", "e\n"], ["one message"]],
    [["a\nb\n\nc\n"], ["a", "b", "", "c"]],
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
});

test("README: a chat takes the name and the lines from one write", async () => {
  const [client, conn] = await pair();
  await client.write(encode("Alice\nhello\nbye\n"));
  await client.closeWrite();
  await chat(conn);
  conn.close();
  assertEquals(await readAll(client), "Alice: hello\nAlice: bye\n");
  client.close();
});

test("README: messages after their lengths arrive whole", async () => {
  const [client, conn] = await pair();
  const sent = ["", "hello", "a".repeat(300_000)];
  const sending = (async () => {
    for (const text of sent) await sendMessage(client, encode(text));
  })();
  for (const text of sent) {
    assertEquals(new TextDecoder().decode(await receiveMessage(conn)), text);
  }
  await sending;
  await client.write(Uint8Array.of(0, 0, 0, 2, 97));
  client.close();
  await assertRejects(() => receiveMessage(conn), Deno.errors.UnexpectedEof);
  conn.close();
});
