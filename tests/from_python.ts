/**
 * The Deno side of the README's table "From Python to Deno", as code that runs,
 * and `messages()`. Run by itself, it tries everything but TLS, and prints `ok`.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createSocket } from "node:dgram";
import { send } from "../socket_preview.ts";

const hostname = "localhost";
const port = 50008;

/** Yields the messages that come from a connection, one for each line. */
export async function* messages(connection: Deno.Conn): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(1024);
  let message = "";
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) break; // the other side has finished sending
    const bytes = buffer.subarray(0, count);
    const text = decoder.decode(bytes, { stream: true });
    const [end, ...starts] = text.split("\n");
    message += end;
    for (const start of starts) {
      yield message;
      message = start;
    }
  }
  if (message !== "") yield message; // a last line without a line break
}

/** Connects a client with a server. Returns both ends of the connection. */
export async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname, port });
  const client = await Deno.connect({ hostname, port });
  const connection = await listener.accept();
  return [client, connection];
}

async function listenAndConnect() {
  const ways = [
    () => Deno.listen({ hostname, port }),
    () => Deno.listen({ port }),
    () => Deno.listen({ hostname, port, tcpBacklog: 5 }),
  ];
  for (const listen of ways) {
    using listener = listen();
    const signal = AbortSignal.timeout(2000);
    using client = await Deno.connect({ hostname, port, signal });
    using connection = await listener.accept();
    assertEquals(connection.remoteAddr, client.localAddr);
  }
  const listener = Deno.listen({ hostname, port: 0 });
  listener.unref(); // so the program ends although this is never closed
  assert(listener.addr.port > 0);
  listener.accept();
}

async function exchange() {
  const [connection, other] = await pair();
  connection.setNoDelay();
  const text = "Grüße";
  const bytes = new TextEncoder().encode(text);
  assertEquals(await connection.write(bytes), 7);
  await send(connection, text);
  await send(connection, "hello\n");
  await connection.closeWrite();
  const buffer = new Uint8Array(1024);
  let received = "";
  while (true) {
    const count = await other.read(buffer);
    if (count === null) break;
    const bytes = buffer.subarray(0, count);
    received += new TextDecoder().decode(bytes);
  }
  assertEquals(received, text + text + "hello\n");
  other.close();
  connection.close();
}

async function useUnixSocket() {
  const path = await Deno.makeTempFile();
  await Deno.remove(path);
  using listener = Deno.listen({ transport: "unix", path });
  using client = await Deno.connect({ transport: "unix", path });
  using connection = await listener.accept();
  await send(client, "hello");
  assertEquals(await connection.read(new Uint8Array(9)), 5);
  await Deno.remove(path);
}

async function useUdp() {
  const socket = createSocket("udp4");
  const received = new Promise((resolve) => socket.on("message", resolve));
  socket.bind(port, "127.0.0.1", () => socket.send("hello", port, "127.0.0.1"));
  assertEquals(`${await received}`, "hello");
  socket.close();
}

/** Needs a server with a certificate, so it is not run here. */
export async function useTls() {
  const connection = await Deno.connect({ hostname, port });
  return await Deno.startTls(connection, { hostname });
}

async function runTogether() {
  const order: string[] = [];
  async function f(x: string) {
    order.push(`${x} starts`);
    await new Promise((resolve) => setTimeout(resolve));
    order.push(`${x} ends`);
  }
  const x = "a";
  const promise = f(x);
  const promises = [f("b"), f("c")];
  await promise;
  await Promise.all(promises);
  const starts = ["a starts", "b starts", "c starts"];
  assertEquals(order, [...starts, "a ends", "b ends", "c ends"]);
}

/** Reads, but for 2000 milliseconds at most. */
async function readInTime(connection: Deno.Conn, buffer: Uint8Array) {
  const timer = setTimeout(() => connection[Symbol.dispose](), 2000);
  try {
    return await connection.read(buffer); // if closed: Interrupted
  } finally {
    clearTimeout(timer);
  }
}

async function limitRead() {
  const [other, connection] = await pair();
  await send(other, "hello");
  const buffer = new Uint8Array(1024);
  const read = async () => await readInTime(connection, buffer);
  assertEquals(await read(), 5);
  await assertRejects(read, Deno.errors.Interrupted);
  other.close();
}

async function fail() {
  try {
    await Deno.connect({ hostname, port });
    assert(false, "connected without a server");
  } catch (error) {
    if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
  }
  using listener = Deno.listen({ hostname, port });
  try {
    Deno.listen({ hostname, port });
    assert(false, "listened twice");
  } catch (error) {
    assert(error instanceof Deno.errors.AddrInUse);
  }
  using connection = await Deno.connect({ hostname, port });
  (await listener.accept()).close();
  try {
    while (true) await connection.write(new Uint8Array(1024));
  } catch (error) { // whichever the system reports
    if (error instanceof Deno.errors.BrokenPipe) return;
    assert(error instanceof Deno.errors.ConnectionReset);
  }
}

if (import.meta.main) {
  await listenAndConnect();
  await exchange();
  if (Deno.build.os !== "windows") await useUnixSocket();
  await useUdp();
  await runTogether();
  await limitRead();
  await fail();
  console.log("ok");
}
