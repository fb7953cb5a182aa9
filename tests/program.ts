/**
 * Programs that run beside a test.
 *
 * @module
 */

import { root, sleep, within } from "./helpers.ts";

/** How a program ended, and all that it printed. */
export type Outcome = { code: number; stdout: string; stderr: string };

/** A program that runs beside a test. `await using` stops it with the test. */
export class Program {
  stdout = "";
  stderr = "";
  readonly #name: string;
  readonly child: Deno.ChildProcess;
  readonly #outcome: Promise<Outcome>;
  #hasEnded = false;
  #isAwaited = false; // whether the test waits for its end

  constructor([command, ...args]: string[]) {
    this.#name = args.join(" ").slice(-60);
    this.child = new Deno.Command(command!, {
      args,
      cwd: root,
      // The C locale exists everywhere. FORCE_COLOR would override NO_COLOR.
      env: { LC_ALL: "C", PYTHONUTF8: "1", NO_COLOR: "1", FORCE_COLOR: "" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#outcome = this.#collect();
  }

  async #collect(): Promise<Outcome> {
    const read = async (name: "stdout" | "stderr") => {
      const texts = this.child[name].pipeThrough(new TextDecoderStream());
      for await (const text of texts) this[name] += text;
    };
    await Promise.all([read("stdout"), read("stderr")]);
    const { code } = await this.child.status;
    this.#hasEnded = true;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** Waits until the program has printed texts, or fails if it ends before. */
  async printed(...texts: string[]) {
    const isMissing = (text: string) =>
      !(this.stdout + this.stderr).includes(text);
    const waiting = (async () => {
      while (texts.some(isMissing) && !this.#hasEnded) await sleep(10);
    })();
    await within(waiting, `${this.#name}: ${texts}`);
    const text = texts.find(isMissing);
    if (text) throw new Error(`${this.#name} ended before: ${text}`);
  }

  /** Sends a signal to the program, unless it has ended. */
  kill(signal: Deno.Signal) {
    try {
      this.child.kill(signal);
    } catch {
      // It has ended.
    }
  }

  /** Stops the program. Returns all that it printed. */
  async stop(): Promise<Outcome> {
    this.kill("SIGTERM"); // `deno task` passes it on to what it runs
    return await this.end();
  }

  /** Waits for the program's end. If that takes too long, kills it and fails. */
  async end(): Promise<Outcome> {
    this.#isAwaited = true;
    try {
      return await within(this.#outcome, `${this.#name} to end`);
    } catch (error) {
      this.kill("SIGKILL");
      throw error;
    }
  }

  async [Symbol.asyncDispose]() {
    const isAwaited = this.#isAwaited;
    const { code, stdout, stderr } = await this.stop();
    const isStopped = code === 143; // by SIGTERM
    if (!isAwaited && !isStopped) {
      console.log(`${this.#name} ended with ${code}: ${stdout}${stderr}`);
    }
  }
}

/** Starts a command. */
export function start(command: string[]): Program {
  return new Program(command);
}

/** Runs a command until it ends. */
export async function run(command: string[]): Promise<Outcome> {
  return await start(command).end();
}

const standIns = import.meta.resolve("@std/assert").startsWith("file:")
  ? ["--import-map=tests/std/import_map.json"]
  : [];

/** The command that runs a program of the project, after flags for Deno. */
export function deno(...words: string[]): string[] {
  const flags = ["-q", "--no-prompt", "--allow-net=localhost:50008"];
  return [Deno.execPath(), "run", ...standIns, ...flags, ...words];
}

/** The flag that has Deno run some code before a program's own. */
export function preload(code: string): string {
  return `--preload=data:text/javascript,${encodeURIComponent(code)}`;
}

/** A command, after another one of the shell. */
export function shell(command: string[], first = ":"): string[] {
  return ["sh", "-c", `${first} && exec "$@"`, "sh", ...command];
}

/** A program of the project, with no more than 64 file descriptors. */
export function starved(file: string): string[] {
  // Half a second after the start, Deno 2.9.6 opens two more for signals, and
  // crashes if it cannot. So it is made to open them at once.
  const early = preload('Deno.addSignalListener("SIGUSR2", () => {})');
  return shell(deno(early, file), "ulimit -n 64");
}
