/**
 * What the tests share: tests that fail if they leave anything open, programs
 * that run beside them, and raw connections.
 *
 * @module
 */

import "./never_exit.ts"; // before the page
import { host, port } from "../socket_preview.ts";

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** How a program ended, and all that it printed. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Whether the tests may do what all of them do: connect, read, run Deno. */
export const permitted = await hasAll([
  { name: "net", host: `${host}:${port}` },
  { name: "read", path: root },
  { name: "run", command: Deno.execPath() },
]);

/** The Python interpreter itself, where `python3` is a version manager's shim. */
export const python = await run(
  "python3",
  "import sys; print(sys.executable, end='')",
);

/** Why some tests cannot run here, by what they need: "" for what is there. */
export const missing = {
  sh: await whyNot("sh", "true"),
  python3: python ? "" : await whyNot("python3", "import sys"),
  unshare: await whyNot("sh", "unshare -rn true"),
};

async function hasAll(wanted: Deno.PermissionDescriptor[]): Promise<boolean> {
  for (const permission of wanted) {
    const { state } = await Deno.permissions.request(permission);
    if (state !== "granted") return false;
  }
  return true;
}

/** Runs a script, and returns what it prints, or nothing if it fails. */
async function run(command: string, script: string): Promise<string | null> {
  try {
    const args = ["-c", script];
    const { success, stdout } = await new Deno.Command(command, { args })
      .output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null;
  }
}

/** Why a script cannot run here, or nothing if it can. */
export async function whyNot(command: string, script: string): Promise<string> {
  if (!await hasAll([{ name: "run", command }])) {
    return `${command} is not permitted`;
  }
  const [program] = command === "sh" ? script.split(" ") : [command];
  return await run(command, script) === null ? `no ${program} here` : "";
}

/** Registers a test that must leave no timer and no connection behind. */
export function test(
  name: string,
  fn: (context: Deno.TestContext) => Promise<void> | void,
) {
  const ignore = !permitted; // one test says so, for all
  Deno.test({ name, fn, ignore, sanitizeOps: true, sanitizeResources: true });
}

/** The same for a test that needs something: ignored where that is missing. */
export function testWith(
  need: keyof typeof missing,
  name: string,
  fn: () => Promise<void>,
) {
  if (!missing[need]) return test(name, fn);
  Deno.test.ignore(`${name} (${missing[need]})`, fn);
}

/**
 * Becomes a program that is ended with the tests, even if they are killed: that
 * ends its input, on which they send a line once it has ended by itself. A
 * program that a test has stopped must go on, or it would not end.
 */
const guard = `
  exec 3<&0
  (read -r _ <&3 || { kill $$; kill -CONT $$; }) >/dev/null 2>&1 &
  exec "$@" 3<&- </dev/null`;

/** A program that runs beside a test. */
export class Peer {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #output: Promise<void>[];
  readonly #readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  #outcome?: Promise<Outcome>;
  #hasEnded = false;

  constructor(command: string, ...args: string[]) {
    const [program, ...rest] = missing.sh
      ? [command, ...args]
      : ["sh", "-c", guard, "sh", command, ...args];
    this.#child = new Deno.Command(program, {
      args: rest,
      cwd: root,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr, status } = this.#child;
    status.then(() => this.#hasEnded = true);
    this.#output = [
      this.#collect(stdout, (text) => this.stdout += text),
      this.#collect(stderr, (text) => this.stderr += text),
    ];
  }

  async #collect(
    stream: ReadableStream<Uint8Array>,
    add: (text: string) => void,
  ) {
    const reader = stream.getReader();
    this.#readers.push(reader);
    const decoder = new TextDecoder();
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      add(decoder.decode(value, { stream: true }));
    }
  }

  /** The program's process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until the program has printed a text, on standard output or error. */
  async printed(text: string) {
    const isPrinted = () => (this.stdout + this.stderr).includes(text);
    await until(() => isPrinted() || this.#hasEnded, `${text} is printed`);
    if (isPrinted()) return;
    const { stdout, stderr } = await this.end(); // the last may come only now
    if (isPrinted()) return;
    throw new Error(`it ended without "${text}", but: ${stdout}${stderr}`);
  }

  /** Sends a signal, if the program still runs. */
  kill(signal: Deno.Signal) {
    if (!this.#hasEnded) this.#child.kill(signal);
  }

  /**
   * Waits for the program's end, and kills it after some milliseconds. Its own
   * children may outlive it and hold its output open: they get half a second.
   */
  end(limit = 20_000): Promise<Outcome> {
    return this.#outcome ??= this.#end(limit);
  }

  async #end(limit: number): Promise<Outcome> {
    const killing = setTimeout(() => this.kill("SIGKILL"), limit);
    const { code } = await this.#child.status;
    clearTimeout(killing);
    const guardian = this.#child.stdin.getWriter();
    await guardian.write(encode("\n")).catch(() => {}); // it may have ended too
    await guardian.close().catch(() => {});
    const closing = setTimeout(
      () => this.#readers.forEach((reader) => reader.cancel()),
      500,
    );
    await Promise.all(this.#output);
    clearTimeout(closing);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Ends the program, unless it has ended by itself. */
  async [Symbol.asyncDispose]() {
    this.kill("SIGTERM"); // which `deno task` passes on to what it runs
    await this.end(1000);
  }
}

/** Starts a program of the project with the permission it documents, no other. */
export function startProgram(...args: string[]): Peer {
  return new Peer(Deno.execPath(), ...denoRun(), ...args);
}

/** Runs a program of the project to its end. */
export async function runProgram(...args: string[]): Promise<Outcome> {
  return await startProgram(...args).end();
}

/** The arguments with which Deno runs a program of the project. */
export function denoRun(permission = `--allow-net=${host}:${port}`): string[] {
  const standIns = import.meta.resolve("@std/assert").startsWith("file:")
    ? ["--import-map=tests/std/import_map.json"]
    : [];
  return ["run", ...standIns, "-q", "--no-prompt", permission];
}

/** Starts `server.ts`, and waits until it accepts connections. */
export async function startServer(...flags: string[]): Promise<Peer> {
  const server = startProgram(...flags, "server.ts");
  await server.printed(`server listening on ${host}:${port}\n`);
  return server;
}

/**
 * Starts `server.ts` with no more than some file descriptors. Half a second
 * after its start Deno 2.9 sets up signals, and panics if none are left for that.
 */
export async function startStarvedServer(limit: number): Promise<Peer> {
  const command = `exec "$0" ${denoRun().join(" ")} server.ts`;
  const server = startShell(`ulimit -n ${limit}; ${command}`);
  await server.printed("server listening");
  await sleep(700);
  return server;
}

/** Starts a script of the shell's, in which `$0` is this Deno. */
export function startShell(script: string, ...args: string[]): Peer {
  return new Peer("sh", "-c", script, Deno.execPath(), ...args);
}

/** Runs a script of the shell's to its end. */
export async function runShell(
  script: string,
  ...args: string[]
): Promise<Outcome> {
  return await startShell(script, ...args).end();
}

/** Runs Deno in a network without servers, whose clients have but one port. */
export async function runAlone(...args: string[]): Promise<Outcome> {
  const script = `ip link set lo up &&
    echo ${port} ${port} > /proc/sys/net/ipv4/ip_local_port_range &&
    exec "$@"`;
  const unshare = `exec unshare -rn sh -c '${script}' sh "$0" "$@"`;
  return await runShell(unshare, ...args);
}

/** Starts a Python peer of the tests. */
export function startPython(file: string, ...args: string[]): Peer {
  return new Peer(python!, `tests/peers/${file}`, ...args);
}

/** Runs a Python peer of the tests to its end. */
export async function runPython(
  file: string,
  ...args: string[]
): Promise<Outcome> {
  return await startPython(file, ...args).end();
}

/** Listens where the programs do. */
export function listen(): Deno.TcpListener {
  return Deno.listen({ hostname: host, port });
}

/** Connects to where the programs listen. */
export async function connect(): Promise<Deno.TcpConn> {
  return await Deno.connect({ hostname: host, port });
}

/**
 * Sends a message and returns all that comes until the server closes. Fails
 * after 8000 milliseconds.
 */
export async function exchange(message: Uint8Array | string): Promise<string> {
  const limit = new AbortController();
  const timer = setTimeout(() => limit.abort(), 8000);
  try {
    const { signal } = limit;
    using connection = await Deno.connect({ hostname: host, port, signal });
    signal.onabort = () => connection[Symbol.dispose]();
    await writeAll(connection, message);
    return await readAll(connection);
  } finally {
    clearTimeout(timer);
  }
}

/** Sends all of a message. */
export async function writeAll(
  connection: Deno.Conn,
  message: Uint8Array | string,
) {
  let bytes = typeof message === "string" ? encode(message) : message;
  while (bytes.length) bytes = bytes.subarray(await connection.write(bytes));
}

/** Returns all that comes until the other side closes. */
export async function readAll(connection: Deno.Conn): Promise<string> {
  return await within(readToEnd(connection), "the other side closes");
}

async function readToEnd(connection: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(8192);
  let text = "";
  while (true) {
    const count = await connection.read(buffer);
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

/** Reads once, and returns what came. */
export async function readOnce(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(8192);
  const reading = connection.read(buffer);
  const count = await within(reading, "something comes") ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** The line that a client prints for a name without quotes and backslashes. */
export function replyTo(name: string): string {
  return `client got: [b"server got: [b'${name}']"]\n`;
}

/** What `socket_preview.ts` prints, in order. */
export const fiveLines = [0, 1, 2, 3, 4]
  .map((number) => replyTo(`client${number}`)).join("");

/** The same lines in order, as clients may print them in any. */
export function sortLines(text: string): string {
  return text.split(/(?<=\n)/).sort().join("");
}

/** Counts the lines of a source text, without blank lines and comments. */
export function linesOfCode(source: string): number {
  const lines = source.replaceAll(/\/\*.*?\*\//gs, "").split("\n");
  return lines.filter((line) => /\S/.test(line) && !/^\s*\/\//.test(line))
    .length;
}

/** Reads a file of the project. */
export async function readProject(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(file, root));
}

/** The bytes of a text in UTF-8. */
export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What `fn` prints with `console.log`, a line each. */
export async function printedBy(fn: () => Promise<unknown>): Promise<string[]> {
  const lines: string[] = [];
  const { log } = console;
  console.log = (line: string) => lines.push(line);
  try {
    await fn();
  } finally {
    console.log = log;
  }
  return lines;
}

/** Waits for a promise, but fails after 10,000 milliseconds. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout>;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited until ${what}`)), 10_000);
  });
  return await Promise.race([promise, limit]).finally(() =>
    clearTimeout(timer)
  );
}

/** Waits, for at most 10,000 milliseconds, until a condition holds. */
export async function until(condition: () => boolean, what: string) {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 10_000) {
      throw new Error(`waited until ${what}`);
    }
    await sleep(10);
  }
}

/** Waits for some milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
