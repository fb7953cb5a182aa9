import { assert, assertEquals } from "@std/assert";

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** No test may take longer, in milliseconds. */
export const timeout = 120_000;

/** Where the programs listen. */
const address = { hostname: "localhost", port: 50008 };

/** Listens where the programs do. */
export function listen(tcpBacklog = 511): Deno.TcpListener {
  return Deno.listen({ ...address, tcpBacklog });
}

/** Connects to the program that listens, or will soon. */
export async function connect(triesLeft = 100): Promise<Deno.TcpConn> {
  try {
    return await within(Deno.connect(address), "a connection");
  } catch (error) {
    if (triesLeft === 0) throw error;
    await sleep(100);
    return await connect(triesLeft - 1);
  }
}

/** Connects silent clients, or as many as the backlog takes. Returns them. */
export async function connectSilent(clients: DisposableStack, count: number) {
  const connections: Deno.TcpConn[] = [];
  try {
    while (connections.length < count) {
      const signal = AbortSignal.timeout(1000);
      const conn = await Deno.connect({ ...address, signal });
      connections.push(clients.use(conn));
    }
  } catch (error) {
    assertEquals((error as Error).name, "TimeoutError");
  }
  return connections;
}

/** Connects a client. Returns its end and that of the server. */
export async function pair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = listen();
  const client = await connect();
  return [client, await listener.accept()];
}

/** Connects, sends a message, and returns all that comes back. */
export async function ask(message: string): Promise<string> {
  using conn = await connect();
  await conn.write(encode(message));
  return await readAll(conn);
}

/** Returns all that comes until the other side closes, and closes as well. */
export async function readAll(conn: Deno.Conn): Promise<string> {
  return await within(new Response(conn.readable).text(), "data");
}

/** The bytes of a text in UTF-8. */
export function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** Waits for a promise, but not for longer than 30 seconds. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const error = new Error(`waited 30 seconds for ${what}`);
  const timer = setTimeout(reject, 30_000, error);
  const result = Promise.race([promise, tooLate]);
  return await result.finally(() => clearTimeout(timer));
}

/** Fails unless a function takes some milliseconds, or at most 800 more. */
export async function assertTakes(some: number, fn: () => Promise<unknown>) {
  const start = performance.now();
  await within(fn(), `what should take ${some} ms`);
  const taken = Math.round(performance.now() - start);
  const isRight = taken > some - 20 && taken < some + 800;
  assert(isRight, `it took ${taken} ms instead of ${some}`);
}

/** Waits for a number of milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Replaces a property of an object until the end of a block. */
export function replace<T>(object: T, name: keyof T, value: unknown) {
  const original = object[name];
  object[name] = value as T[keyof T];
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

/** Has each new connection take no more than three bytes a write. */
export function narrowConnect(): Disposable {
  const { connect } = Deno;
  const narrowed = async (options: Deno.ConnectOptions) =>
    narrow(await connect(options));
  return replace(Deno, "connect", narrowed);
}

/** Has a connection take no more than three bytes a write. */
export function narrow<Conn extends Deno.Conn>(conn: Conn): Conn {
  const write = conn.write.bind(conn);
  conn.write = (bytes) => write(bytes.subarray(0, 3));
  return conn;
}
