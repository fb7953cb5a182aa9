// The code of the README's sections "From Python to Deno" and "One read is not
// one message". The comment "Python:" marks what a row of its table says.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
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
const { BadResource, ConnectionReset, TimedOut } = Deno.errors;

function inTime<T>(limit: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = () =>
      reject(new DOMException(`no result in ${limit} ms`, "TimeoutError"));
    const end = performance.now() + limit;
    let timer = setTimeout(() => {
      // If the program was busy, Deno needs time to read what came meanwhile.
      const late = performance.now() - end;
      timer = setTimeout(fail, late + 1);
    }, limit);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

function makefile(receive: () => Promise<Uint8Array>) {
  let rest: Uint8Array = new Uint8Array(); // received, but not read yet
  let isReading = false; // stays true after an error

  async function read(size: number, stop = -1) {
    if (Math.trunc(size) !== size) throw new TypeError(`size: ${size}`);
    if (isReading) throw new Error("the last call goes on, or has failed");
    isReading = true;
    const limit = size < 0 ? Infinity : size; // as in Python
    let bytes = new Uint8Array();
    let length = 0;
    while (length < limit) {
      if (rest.length === 0) rest = await receive();
      if (rest.length === 0) break; // the other side has finished sending
      const index = rest.indexOf(stop); // -1 if it is not there
      const line = index === -1 ? rest : rest.subarray(0, index + 1);
      const piece = line.subarray(0, limit - length);
      rest = rest.subarray(piece.length);
      const needed = length + piece.length;
      if (needed > bytes.length) {
        const space = Math.min(2 * needed, limit);
        bytes = new Uint8Array(bytes.buffer.transfer(space));
      }
      bytes.set(piece, length);
      length = needed;
      if (piece.at(-1) === stop) break;
    }
    isReading = false;
    return new Uint8Array(bytes.buffer.transfer(length));
  }

  return {
    read: (size = -1) => read(size),
    readline: (size = -1) => read(size, 10), // 10 is a line break
  };
}

Deno.test("README: rows about connections", { timeout }, async () => {
  // Python: sock.bind((host, port)); sock.listen()
  const listener = Deno.listen({ hostname, port });

  async function f() {
    // Python: conn, addr = sock.accept()
    const conn = await listener.accept();
    // Python: data = conn.recv(1024)
    const data = await receive(conn);
    // Python: conn.sendall(data)
    await send(conn, data);
    // Python: conn.close()
    conn[Symbol.dispose]();
    conn[Symbol.dispose](); // the second time, it does nothing
    assertThrows(() => conn.close(), BadResource);
    throw new Error("late");
  }

  function decode(data: Uint8Array): string {
    // Python: text = data.decode()
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(data);
    return text;
  }

  const printed: string[] = [];
  const print = (line: string) => printed.push(line);
  using _error = replace(console, "error", print);
  // Python: thread = Thread(target=f); thread.start()
  const promise = f().catch(report);
  // Python: sock.connect((host, port))
  const conn = await Deno.connect({ hostname, port });
  const text = "\uFEFFGrüße";
  // Python: data = text.encode()
  const data = new TextEncoder().encode(text);
  await send(conn, data);
  // Python: conn.shutdown(SHUT_WR)
  await conn.closeWrite();
  assertEquals(decode(await receive(conn)), text);
  assertThrows(() => decode(Uint8Array.of(255)), TypeError);
  conn.close();
  await promise;
  assertEquals(printed, ["Error: late"]);
  // Python: the same, in at most two seconds
  using _late = await Deno.connect({
    hostname,
    port,
    signal: AbortSignal.timeout(2000),
  });
  using _conn = await listener.accept();
  const accepting = listener.accept();
  listener[Symbol.dispose]();
  await assertRejects(() => accepting, BadResource);
});

Deno.test("README: rows about errors", { timeout }, async () => {
  function exceptReset(error: unknown) {
    // Python: except ConnectionResetError:
    if (!(error instanceof Deno.errors.ConnectionReset)) throw error;
  }

  function exceptTimeout(error: unknown) {
    // Python: except TimeoutError:
    if (!(error as Error).name.startsWith("Time")) throw error;
  }

  using listener = listen();
  const accepting = listener.accept();
  const resetting = reset(() => accepting);
  using conn = await accepting;
  await resetting;
  const talking = receive(conn).then(() => send(conn, encode("late")));
  exceptReset(await assertRejects(() => talking, Error));
  assertThrows(() => exceptReset(new TimedOut()), TimedOut);
  exceptTimeout(new TimedOut());
  exceptTimeout(new DOMException("simulated", "TimeoutError"));
  assertThrows(() => exceptTimeout(new ConnectionReset()), ConnectionReset);
});

Deno.test("README: rows about conn.settimeout", { timeout }, async () => {
  const [client, conn] = await pair();
  // Python: the same, after conn.settimeout(2)
  const file = makefile(() => inTime(2000, receive(conn)));
  const reading = file.readline();
  for (const character of "slow\n") {
    await sleep(500); // in all, this takes more than two seconds
    await client.write(encode(character));
  }
  assertEquals(await reading, encode("slow\n"));
  await client.write(encode("cut"));
  await assertTakes(2000, async () => {
    const error = await assertRejects(() => file.readline(), DOMException);
    assertEquals(error.name, "TimeoutError");
  });
  await client.write(encode(" off\n"));
  const error = await assertRejects(() => file.readline(), Error);
  assertEquals(error.name, "Error"); // in Python, it is no TimeoutError either
  const data = encode("421 timed out");
  // Python: conn.settimeout(2); conn.sendall(data)
  await inTime(2000, send(conn, data));
  conn.close();
  assertEquals(await readAll(client), "421 timed out");
});

Deno.test("inTime() gives what has come in time", { timeout }, async () => {
  const [client, conn] = await pair();
  await client.write(encode("hello"));
  // Python: conn.settimeout(2); data = conn.recv(1024)
  const data = await inTime(2000, receive(conn));
  assertEquals(data, encode("hello"));
  // A busy program reads what has come from many. Under Wine, reading is slow.
  const many = Deno.build.os === "windows" ? 100 : 300;
  const pairs = await Array.fromAsync(Array(many), pair);
  const waiting = pairs.map(([, conn]) => inTime(100, receive(conn)));
  await sleep(10);
  for (const [client] of pairs) client.write(data);
  const start = performance.now();
  while (performance.now() < start + 500); // nothing else runs meanwhile
  assertEquals(await Promise.all(waiting), Array(many).fill(data));
  for (const conn of pairs.flat()) conn.close();
  let work: Promise<Uint8Array> | undefined;
  const poll = () => inTime(50, work ??= receive(conn));
  await assertRejects(poll, DOMException);
  await client.write(data);
  assertEquals(await poll(), data);
  await assertRejects(() => inTime(50, receive(conn)), DOMException);
  await assertTakes(50, async () => {
    const sending = inTime(50, send(conn, new Uint8Array(50_000_000)));
    await assertRejects(() => sending, DOMException);
  });
  conn.close(); // fails the two that are left, which must not end the program
  client.close();
  await sleep(10);
});

/** A file on pieces of text, which arrive in the same array, one after another. */
function fileOf(...pieces: string[]) {
  const buffer = new Uint8Array(1024);
  const next = pieces.values();
  return makefile(() => {
    const piece = next.next().value ?? "";
    const { written } = new TextEncoder().encodeInto(piece, buffer);
    return Promise.resolve(buffer.subarray(0, written));
  });
}

Deno.test("makefile() reads as in Python", async () => {
  const file = fileOf("ab", "c\nd", "e\n\n", "PUT 5\nhel", "lo\nend");
  const expected: [name: "read" | "readline", size: number, data: string][] = [
    ["readline", -1, "abc\n"],
    ["read", 1, "d"],
    ["readline", 2, "e\n"],
    ["readline", 0, ""],
    ["readline", 9, "\n"],
    ["readline", 6, "PUT 5\n"],
    ["read", 5, "hello"],
  ];
  for (const [name, size, data] of expected) {
    assertEquals(await file[name](size), encode(data));
  }
  // Python: line = file.readline()
  const line = await file.readline();
  assertEquals(line, encode("\n"));
  for (const size of [0.5, NaN]) {
    await assertRejects(() => file.read(size), TypeError);
  }
  const size = 9;
  // Python: data = file.read(size)
  const data = await file.read(size);
  assertEquals(data, encode("end"));
  assertEquals(await file.read(), new Uint8Array()); // at the end, nothing else
  const single = fileOf(...Array(99_999).fill("x"), "\n");
  assertEquals((await single.readline()).length, 100_000);
});

Deno.test("README: messages follow their lengths", { timeout }, async () => {
  const [conn, other] = await pair();
  const echoing = other.readable.pipeTo(other.writable);
  // Python: file = conn.makefile("rb")
  const file = makefile(() => receive(conn));
  for (const data of [encode("héllo"), new Uint8Array(70_000)]) {
    const message = new Uint8Array(4 + data.length);
    new DataView(message.buffer).setUint32(0, data.length); // struct.pack("!I", …)
    message.set(data, 4);
    await send(conn, message);

    const header = await file.read(4); // none at the end of the stream
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const received = await file.read(view.getUint32(0));
    assertEquals(received, data);
  }
  conn.close();
  await echoing;
});
