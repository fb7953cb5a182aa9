/**
 * What the tests share: clients, and waiting with a limit. The programs that run
 * beside a test are in `program.ts`.
 *
 * @module
 */

import { once } from "node:events";
import { connect as connectNode } from "node:net"; // it can reset a connection

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** Where the programs listen. */
const address = { hostname: "localhost", port: 50008 };

/** The version of IP that localhost has here, which `node:net` has to be told. */
let family = 4;

/** Whether a program uses the port. */
export function isPortTaken(): boolean {
  try {
    using listener = listen();
    family = listener.addr.hostname.includes(":") ? 6 : 4;
    return false;
  } catch (error) {
    return error instanceof Deno.errors.AddrInUse;
  }
}

/** Listens where the programs do. */
export function listen(): Deno.TcpListener {
  return Deno.listen(address);
}

/** Connects to the program that listens. */
export async function connect(): Promise<Deno.TcpConn> {
  return await within(Deno.connect(address), "a connection");
}

/** Connects a number of silent clients, one after another. */
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

/**
 * Does the same, but tries again if there is no reply: while file descriptors
 * are short, a server may close the connection of a client that is slow to send.
 */
export async function exchangeAtLast(message: string): Promise<string> {
  for (let tries = 1; tries < 20; tries++) {
    const reply = await exchange(message).catch(() => "");
    if (reply) return reply;
    await sleep(100);
  }
  return await exchange(message);
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
export async function reset(message = "", wait = async () => {}) {
  const socket = connectNode({ host: "localhost", port: 50008, family });
  try {
    await within(once(socket, "connect"), "a connection");
    if (message) await new Promise((sent) => socket.write(message, sent));
    await wait();
  } finally {
    socket.resetAndDestroy();
    await within(once(socket, "close"), "a reset");
  }
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
 * How long a test waits for anything before it fails, in milliseconds. On an
 * idle machine, nothing takes longer than two seconds.
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
