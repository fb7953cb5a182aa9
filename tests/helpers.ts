/**
 * What the tests share: tests that leave nothing open, programs that run beside
 * them, and raw connections.
 *
 * @module
 */

/** The folder that holds the programs. */
export const root = new URL("../", import.meta.url);

const address = { hostname: "localhost", port: 50008 };
const decoder = new TextDecoder();

/** How a program ended, and all that it printed. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Whether the tests may do what those of the network do. */
export const permitted =
  await isGranted({ name: "net", host: "localhost:50008" }) &&
  await isGranted({ name: "read", path: root }) &&
  await isGranted({ name: "run", command: Deno.execPath() });

async function isGranted(permission: Deno.PermissionDescriptor) {
  return (await Deno.permissions.query(permission)).state === "granted";
}

const isTaken = permitted && isPortTaken();
if (isTaken) Deno.test("port 50008 is free", failOfTakenPort);

function isPortTaken(): boolean {
  try {
    Deno.listen(address).close();
    return false;
  } catch (error) {
    return error instanceof Deno.errors.AddrInUse;
  }
}

function failOfTakenPort(): never {
  const error = new Error("port 50008 is taken: stop what listens there");
  delete error.stack; // where it comes from helps nobody
  throw error;
}

/** What some tests need, and what succeeds where that is there. */
const probes = {
  python3: ["python3", "-c", ""],
  sh: ["sh", "-c", ":"],
  nc: ["sh", "-c", "command -v nc"],
  ip: ["sh", "-c", "command -v ip"],
  unshare: ["sh", "-c", "unshare -rnm true"],
  resetAndDestroy: [
    Deno.execPath(),
    "eval",
    `import { Socket } from "node:net";
    if (!Socket.prototype.resetAndDestroy) Deno.exit(1);`,
  ],
};

const missing = new Set<string>();
if (permitted && !isTaken) {
  await Promise.all(
    Object.entries(probes).map(async ([tool, probe]) => {
      if (!await succeeds(probe)) missing.add(tool);
    }),
  );
}

async function succeeds([program, ...args]: string[]): Promise<boolean> {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(program!, options).output()).success;
  } catch {
    return false; // it is not there, or not permitted
  }
}

/**
 * Registers a test that goes through the network, and must leave nothing open.
 * Where a tool that it needs is missing, it is ignored, and says why.
 */
export function test(
  name: string,
  ...rest: [...tools: (keyof typeof probes)[], fn: () => Promise<void>]
) {
  if (!permitted || isTaken) return;
  const fn = rest.pop() as () => Promise<void>;
  const lacking = rest.filter((tool) => missing.has(`${tool}`));
  const ignore = lacking.length > 0;
  if (ignore) name += ` (no ${lacking.join(", no ")} here)`;
  Deno.test({ name, ignore, fn: () => runAlone(fn) });
}

/** Says so if somebody else has the port, before or after a failure. */
async function runAlone(fn: () => Promise<void>) {
  if (isPortTaken()) failOfTakenPort();
  try {
    await fn();
  } catch (error) {
    if (isPortTaken()) {
      console.error("port 50008 is taken: stop what listens there");
    }
    throw error;
  }
}

/** A program that runs beside a test. */
export class Program {
  stdout = "";
  stderr = "";
  readonly #child: Deno.ChildProcess;
  readonly #outcome: Promise<Outcome>;
  #hasEnded = false;

  constructor(command: string, ...args: string[]) {
    this.#child = new Deno.Command(command, {
      args,
      cwd: root,
      // FORCE_COLOR would beat NO_COLOR.
      env: { NO_COLOR: "1", FORCE_COLOR: "", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#outcome = this.#collect();
  }

  async #collect(): Promise<Outcome> {
    const read = async (name: "stdout" | "stderr") => {
      const texts = this.#child[name].pipeThrough(new TextDecoderStream());
      for await (const text of texts) this[name] += text;
    };
    const isEnded = this.#child.status.finally(() => this.#hasEnded = true);
    const [{ code }] = await Promise.all([
      isEnded,
      read("stdout"),
      read("stderr"),
    ]);
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** The program's process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until the program has printed a text, on standard output or error. */
  async printed(text: string) {
    const isPrinted = () => (this.stdout + this.stderr).includes(text);
    await until(() => isPrinted() || this.#hasEnded, `${text} is printed`);
    if (!isPrinted()) await this.end(); // the last of it may come only now
    if (isPrinted()) return;
    throw new Error(`it ended after: ${this.stdout}${this.stderr}`);
  }

  /** Sends a signal, if the program still runs. */
  kill(signal: Deno.Signal) {
    if (!this.#hasEnded) this.#child.kill(signal);
  }

  /** Waits for the program's end, and kills it after 20 seconds. */
  async end(): Promise<Outcome> {
    const killing = setTimeout(() => this.kill("SIGKILL"), 20_000);
    return await this.#outcome.finally(() => clearTimeout(killing));
  }

  /** Ends the program, unless it has ended by itself. */
  async [Symbol.asyncDispose]() {
    this.kill("SIGTERM"); // which `deno task` passes on to what it runs
    this.kill("SIGCONT"); // for one that a test has stopped
    await this.end();
  }
}

const standIns = import.meta.resolve("@std/assert").startsWith("file:")
  ? ["--import-map=tests/std/import_map.json"]
  : [];

/** The arguments with which Deno runs a program of the project. */
export function denoRun(permission = "--allow-net=localhost:50008"): string[] {
  return ["run", ...standIns, "-q", "--no-prompt", permission];
}

/** Starts a program of the project with the permission it documents, no other. */
export function start(...args: string[]): Program {
  return new Program(Deno.execPath(), ...denoRun(), ...args);
}

/** Runs a program of the project to its end. */
export async function run(...args: string[]): Promise<Outcome> {
  return await start(...args).end();
}

/** Starts a script of the shell's, in which `$0` is this Deno. */
export function startShell(script: string, ...args: string[]): Program {
  return new Program("sh", "-c", script, Deno.execPath(), ...args);
}

/** Starts `server.ts`, and waits until it listens. */
export async function startServer(...flags: string[]): Promise<Program> {
  const server = start(...flags, "server.ts");
  await server.printed("server listening on localhost:50008");
  return server;
}

/** Starts a command with no more than some file descriptors. */
export function starve(limit: number, ...args: string[]): Program {
  return startShell(`ulimit -n ${limit}; exec "$0" "$@"`, ...args);
}

/** Has clients connect and reset, one after the other; the modes are in the file. */
export async function reset(mode: string, count: number) {
  const faults = ["run", "-q", "-A", "tests/peers/faults.ts", mode, `${count}`];
  const { code, stderr } = await new Program(Deno.execPath(), ...faults).end();
  if (code !== 0) throw new Error(stderr);
}

/** Listens where the programs do. */
export function listen(): Deno.TcpListener {
  return Deno.listen(address);
}

/** Connects to where the programs listen. */
export async function connect(): Promise<Deno.TcpConn> {
  return await Deno.connect(address);
}

/** Connects, sends a message, and returns all that comes, as `readAll` does. */
export async function exchange(message: string): Promise<string> {
  using connection = await within(connect(), "a server listens");
  await connection.write(encode(message));
  return await readAll(connection);
}

/** Returns all that comes until the other side closes. */
export async function readAll(connection: Deno.Conn): Promise<string> {
  const text = await readOnce(connection);
  return text && text + await readAll(connection);
}

/** Reads once, and returns what came: nothing at the end of input. */
export async function readOnce(connection: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(8192);
  const count = await within(connection.read(buffer), "something comes") ?? 0;
  return decoder.decode(buffer.subarray(0, count));
}

/** The line that a client prints for a name without quotes and backslashes. */
export function replyTo(name: string): string {
  return `client got: [b"server got: [b'${name}']"]\n`;
}

/** What `socket_preview.ts` prints, in order. */
export const fiveLines = Array.from("01234", (i) => replyTo(`client${i}`)).join(
  "",
);

/** The same lines in order, as clients may print them in any. */
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

/** Waits for a promise, but fails after 10,000 milliseconds. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited until ${what}`)), 10_000);
  });
  return await Promise.race([promise, limit]).finally(() =>
    clearTimeout(timer)
  );
}

/** Waits, for about 10,000 milliseconds at most, until a condition holds. */
export async function until(condition: () => boolean, what: string) {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 1000) throw new Error(`waited until ${what}`);
    await sleep(10);
  }
}

/** Waits for some milliseconds. */
export async function sleep(milliseconds: number) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}
