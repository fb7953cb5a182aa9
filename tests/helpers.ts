/**
 * What the tests share: tests that fail if they leave anything open, programs
 * that run beside them, and raw connections.
 *
 * @module
 */

import { host, port } from "../socket_preview.ts";

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

/** How a program ended, and all that it printed. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Registers a test that must leave no timer and no connection behind. */
export function test(name: string, fn: () => Promise<void> | void) {
  Deno.test({ name, fn, sanitizeOps: true, sanitizeResources: true });
}

/** Which of the programs are there that tests and measurements can do without. */
export const installed = {
  python3: await isInstalled("python3", "-c"),
  sh: await isInstalled("sh", "-c"),
};

/** The same for a test that needs a program: ignored where that is missing. */
export function testWith(
  program: keyof typeof installed,
  name: string,
  fn: () => Promise<void>,
) {
  if (installed[program]) return test(name, fn);
  Deno.test.ignore(`${name} (no ${program} here)`, fn);
}

/** Whether a program is there: whether it runs an empty script, after a flag. */
export async function isInstalled(
  program: string,
  flag: string,
): Promise<boolean> {
  try {
    const command = new Deno.Command(program, { args: [flag, ""] });
    return (await command.output()).success;
  } catch {
    return false;
  }
}

/** A program that runs beside a test. */
export class Peer {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #printed: Promise<unknown>;
  #outcome?: Promise<Outcome>;
  #hasEnded = false;

  constructor(command: string, ...args: string[]) {
    this.#child = new Deno.Command(command, {
      args,
      cwd: root,
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const { stdout, stderr, status } = this.#child;
    status.then(() => this.#hasEnded = true);
    this.#printed = Promise.all([
      collect(stdout, (text) => this.stdout += text),
      collect(stderr, (text) => this.stderr += text),
    ]);
  }

  /** The program's process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until the program has printed a text on standard output. */
  async printed(text: string) {
    await until(() => this.stdout.includes(text), `${text} is printed`);
  }

  /** Sends a signal. */
  kill(signal: Deno.Signal) {
    this.#child.kill(signal);
  }

  /** Closes the program's input and waits, at most 20 seconds, for its end. */
  end(): Promise<Outcome> {
    return this.#outcome ??= this.#end();
  }

  async #end(): Promise<Outcome> {
    const limit = setTimeout(() => this.kill("SIGKILL"), 20_000);
    await this.#child.stdin.close();
    const { code } = await this.#child.status;
    await this.#printed;
    clearTimeout(limit);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Ends the program, unless it has ended by itself. */
  async [Symbol.asyncDispose]() {
    if (!this.#hasEnded) this.kill("SIGKILL");
    await this.end();
  }
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  add: (text: string) => void,
) {
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    add(decoder.decode(chunk, { stream: true }));
  }
}

/** Starts a program of the project with the permission it documents, no other. */
export function startProgram(...args: string[]): Peer {
  const standIns = import.meta.resolve("@std/assert").startsWith("file:")
    ? ["--import-map=tests/std/import_map.json"]
    : [];
  const flags = ["-q", "--no-prompt", `--allow-net=${host}:${port}`];
  return new Peer(Deno.execPath(), "run", ...standIns, ...flags, ...args);
}

/** Runs a program of the project to its end. */
export async function runProgram(...args: string[]): Promise<Outcome> {
  return await startProgram(...args).end();
}

/** Starts a script of the shell's, in which `$0` is this Deno. */
export function startShell(script: string): Peer {
  return new Peer("sh", "-c", script, Deno.execPath());
}

/** Runs a script of the shell's to its end. */
export async function runShell(script: string): Promise<Outcome> {
  return await startShell(script).end();
}

/** Starts a Python peer of the tests. */
export function startPython(file: string, ...args: string[]): Peer {
  return new Peer("python3", `tests/peers/${file}`, ...args);
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

/** Sends a message and returns all that comes until the server closes. */
export async function exchange(message: Uint8Array | string): Promise<string> {
  using connection = await connect();
  const limit = setTimeout(() => connection[Symbol.dispose](), 5000);
  try {
    const bytes = typeof message === "string" ? encode(message) : message;
    for (let sent = 0; sent < bytes.length;) {
      sent += await connection.write(bytes.subarray(sent));
    }
    return await readAll(connection);
  } finally {
    clearTimeout(limit);
  }
}

/** Returns all that comes until the other side closes. */
export async function readAll(connection: Deno.Conn): Promise<string> {
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
  const count = await connection.read(buffer) ?? 0;
  return new TextDecoder().decode(buffer.subarray(0, count));
}

/** The line that a client prints for a name without quotes and backslashes. */
export function replyTo(name: string): string {
  return `client got: [b"server got: [b'${name}']"]\n`;
}

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

/** Waits, for at most 5000 milliseconds, until a condition holds. */
export async function until(condition: () => boolean, what: string) {
  const start = performance.now();
  while (!condition()) {
    if (performance.now() - start > 5000) {
      throw new Error(`waited until ${what}`);
    }
    await sleep(10);
  }
}

/** Waits for some milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
