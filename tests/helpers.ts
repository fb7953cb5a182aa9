/**
 * What the tests share: clients, files of the project, and waiting with a limit.
 *
 * @module
 */

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** Where the programs listen. */
const address = { hostname: "localhost", port: 50008 };

/** Listens where the programs do. */
export function listen(): Deno.TcpListener {
  return Deno.listen(address);
}

/** Connects to the program that listens. */
export async function connect(): Promise<Deno.TcpConn> {
  return await within(Deno.connect(address), "a connection");
}

/** Connects a client with a server. Returns both ends of the connection. */
export async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = listen();
  const client = await connect();
  return [client, await listener.accept()];
}

/** Connects, sends a message, and returns all that comes back. */
export async function exchange(message: string): Promise<string> {
  using conn = await connect();
  await conn.write(encode(message));
  return await readAll(conn);
}

/** Returns all that comes until the other side closes the connection. */
export async function readAll(conn: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(8192);
  while (true) {
    const count = await within(conn.read(buffer), "data");
    if (count === null) return text;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** What `socket_preview.ts` prints, in order. */
export const fiveLines = [0, 1, 2, 3, 4].map((i) =>
  `client got: [b"server got: [b'client${i}']"]\n`
).join("");

/** Sorts the lines of a text, as clients may print theirs in any order. */
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

/** Waits for a promise, but not for longer than a limit in milliseconds. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  limit = 30_000,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    const error = new Error(`waited ${limit / 1000} seconds for ${what}`);
    timer = setTimeout(() => reject(error), limit);
  });
  return await Promise.race([promise, tooLate])
    .finally(() => clearTimeout(timer));
}

/** Waits for a number of milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Replaces a property of an object until the end of a block. */
export function replace<T, K extends keyof T>(
  object: T,
  name: K,
  value: unknown,
): Disposable {
  const original = object[name];
  object[name] = value as T[K];
  return { [Symbol.dispose]: () => void (object[name] = original) };
}

/** Simulates time: `setTimeout` does not wait, but sets the clock forward. */
export function simulateTime(): { now: number } & Disposable {
  const { setTimeout } = globalThis;
  const run = (fn: () => void, milliseconds: number) =>
    setTimeout(() => {
      clock.now += milliseconds;
      fn();
    });
  const replacements = new DisposableStack();
  const clock = { now: 0, [Symbol.dispose]: () => replacements.dispose() };
  replacements.use(replace(performance, "now", () => clock.now));
  replacements.use(replace(globalThis, "setTimeout", run));
  return clock;
}

/** A connection that takes three bytes a write. Reads them, or else `data`. */
export function narrowConn(data: string): Deno.Conn & { written: string } {
  const conn = {
    written: "",
    remoteAddr: "elsewhere",
    read: (buffer: Uint8Array) => {
      const bytes = encode(conn.written || data);
      buffer.set(bytes);
      return Promise.resolve(bytes.length);
    },
    write: (bytes: Uint8Array) => {
      const taken = bytes.subarray(0, 3);
      conn.written += new TextDecoder().decode(taken);
      return Promise.resolve(taken.length);
    },
    [Symbol.dispose]: () => {},
  };
  return conn as unknown as Deno.Conn & { written: string };
}
