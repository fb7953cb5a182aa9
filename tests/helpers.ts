/**
 * What the tests share: clients, and waiting with a limit. The programs that run
 * beside a test are in `program.ts`.
 *
 * @module
 */

import { connect as connectNode } from "node:net"; // it can reset a connection

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** Where the programs listen. */
export const address = { hostname: "localhost", port: 50008 };

/** Listens where the programs do. */
export function listen(): Deno.TcpListener {
  return Deno.listen(address);
}

/** Connects to the program that listens. */
export async function connect(): Promise<Deno.TcpConn> {
  return await within(Deno.connect(address), "a connection");
}

/** Connects a number of clients, one after the other, which send nothing. */
export async function connectMany(count: number): Promise<Deno.TcpConn[]> {
  const clients: Deno.TcpConn[] = [];
  while (clients.length < count) clients.push(await connect());
  return clients;
}

/** Connects, sends a message, and returns all that comes back. */
export async function exchange(message: string): Promise<string> {
  using connection = await connect();
  await connection.write(encode(message));
  return await readAll(connection);
}

/** Returns all that comes until the other side closes the connection. */
export async function readAll(connection: Deno.Conn): Promise<string> {
  const text = await readOnce(connection);
  return text && text + await readAll(connection);
}

/** Reads once, and returns what came: nothing at the end of the stream. */
export async function readOnce(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(8192);
  const count = await within(connection.read(buffer), "data") ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** Connects, sends a message if there is one, waits, and resets. */
export async function reset(
  message = "",
  wait: () => Promise<unknown> = () => Promise.resolve(),
) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connectNode(address.port, address.hostname);
  socket.on("connect", async () => {
    if (message) await new Promise((sent) => socket.write(message, sent));
    await wait();
    socket.resetAndDestroy();
  });
  socket.on("error", reject);
  socket.on("close", resolve);
  await within(promise, "a reset");
}

/** The line that a client prints for a name without quotes and backslashes. */
export function replyTo(name: string): string {
  return `client got: [b"server got: [b'${name}']"]\n`;
}

/** What `socket_preview.ts` prints, in order. */
export const fiveLines = [0, 1, 2, 3, 4].map((i) => replyTo(`client${i}`))
  .join("");

/** The same lines in order, as clients may print theirs in any. */
export function sortLines(text: string): string {
  return text.split(/(?<=\n)/).sort().join("");
}

/** Reads a file of the project. */
export async function readProject(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(file, root));
}

/** The bytes of a text in UTF-8. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/**
 * How long a test waits for anything before it fails, in milliseconds. Nothing
 * takes a second where it is quiet, so slow and busy machines have time enough.
 */
const limit = 30_000;

/** Waits for a promise, but not for longer than the limit. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const error = new Error(`waited ${limit / 1000} seconds for ${what}`);
    timer = setTimeout(() => reject(error), limit);
  });
  return await Promise.race([promise, tooLate])
    .finally(() => clearTimeout(timer));
}

/** Waits until a condition holds, but not for longer than the limit. */
export async function until(condition: () => boolean, what: string) {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > limit) {
      throw new Error(`waited ${limit / 1000} seconds for ${what}`);
    }
    await sleep(10);
  }
}

/** Waits for a number of milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
