import { root, sleep, within } from "./helpers.ts";

/** How a program ended, and all that it printed. */
export type Outcome = Deno.CommandStatus & { stdout: string; stderr: string };

/** A program that runs beside a test. `await using` stops it with the test. */
export class Program {
  stdout = "";
  stderr = "";
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #outcome: Promise<Outcome>;
  #hasEnded = false;
  #isAwaited = false; // whether the test waits for its end

  constructor([command, ...args]: string[]) {
    this.#name = args.join(" ").slice(-60);
    this.#child = new Deno.Command(command!, {
      args,
      cwd: root,
      // The C locale exists everywhere. FORCE_COLOR would override NO_COLOR.
      env: { LC_ALL: "C", PYTHONUTF8: "1", NO_COLOR: "1", FORCE_COLOR: "" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#child.stdin.close();
    this.#outcome = this.#collect();
  }

  async #collect(): Promise<Outcome> {
    const read = async (name: "stdout" | "stderr") => {
      const texts = this.#child[name].pipeThrough(new TextDecoderStream());
      for await (const text of texts) this[name] += text;
    };
    await Promise.all([read("stdout"), read("stderr")]);
    const status = await this.#child.status;
    this.#hasEnded = true;
    return { ...status, stdout: this.stdout, stderr: this.stderr };
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
      this.#child.kill(signal);
    } catch {
      // It has ended.
    }
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
    this.kill("SIGTERM"); // `deno task` passes it on to what it runs
    const { code, signal, stdout, stderr } = await this.end();
    // 143 is how a shell reports SIGTERM.
    if (isAwaited || signal === "SIGTERM" || code === 143) return;
    console.log(`${this.#name} ended by itself: ${stdout}${stderr}`);
  }
}

/** Runs a command until it ends. */
export async function run(command: string[]): Promise<Outcome> {
  return await new Program(command).end();
}

const standIns = import.meta.resolve("@std/assert").startsWith("file:")
  ? ["--import-map=tests/std/import_map.json"]
  : [];

/** The command that runs a program of the project. Flags for Deno go first. */
export function deno(...words: string[]): string[] {
  const flags = ["-q", "--no-prompt", "--allow-net=localhost:50008"];
  return [Deno.execPath(), "run", ...standIns, ...flags, ...words];
}

/** The flag that has Deno run some code before a program's own. */
export function preload(code: string): string {
  return `--preload=data:text/javascript,${encodeURIComponent(code)}`;
}

/** A command that the shell runs after others, such as `ulimit`. */
export function shell(first: string, command: string[]): string[] {
  return ["sh", "-c", `${first} && exec "$@"`, "sh", ...command];
}

/** Whether a shell command is there, and does what a test needs it for. */
export async function succeeds(command: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("sh", { args: ["-c", command] })
      .output();
    return success;
  } catch {
    return false; // there is no shell
  }
}
