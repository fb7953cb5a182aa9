/**
 * Programs that run beside a test, and functions that change what they do.
 *
 * @module
 */

import { root, sleep, until, within } from "./helpers.ts";

/** How a program ended, and all that it printed. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A program that runs beside a test. `await using` stops it with the test. */
export class Program {
  stdout = "";
  stderr = "";
  readonly #name: string;
  readonly #child: Deno.ChildProcess;
  readonly #outcome: Promise<Outcome>;
  #hasEnded = false;

  constructor(command: string, ...args: string[]) {
    const words = args.filter((arg) => !arg.startsWith("--preload"));
    this.#name = words.join(" ").slice(-60);
    this.#child = new Deno.Command(command, {
      args,
      cwd: root,
      // The C locale exists everywhere. FORCE_COLOR would override NO_COLOR.
      env: { LC_ALL: "C", PYTHONUTF8: "1", NO_COLOR: "1", FORCE_COLOR: "" },
      stdin: "piped",
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
    const reads = Promise.all([read("stdout"), read("stderr")]);
    const { code } = await this.#child.status;
    this.#hasEnded = true;
    await this.closeInput();
    await reads;
    return { code, stdout: this.stdout, stderr: this.stderr };
  }

  /** The process ID. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Waits until the program has printed a text, or fails if it ends before. */
  async printed(text: string) {
    const isPrinted = () => (this.stdout + this.stderr).includes(text);
    const hasEnded = () => this.#hasEnded;
    await until(() => isPrinted() || hasEnded(), `${this.#name}: ${text}`)
      .catch(() => {});
    if (isPrinted()) return;
    const { stdout, stderr } = await this.stop();
    if (isPrinted()) return; // the rest came only now
    throw new Error(`waited for ${text}, and got: ${stdout}${stderr}`);
  }

  /** Closes the program's standard input. */
  async closeInput() {
    await this.#child.stdin.close().catch(() => {}); // it may be closed already
  }

  /** Sends a signal to the program, unless it has ended. */
  kill(signal: Deno.Signal) {
    try {
      this.#child.kill(signal);
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
    try {
      return await within(this.#outcome, `${this.#name} to end`);
    } catch (error) {
      this.kill("SIGTERM");
      await Promise.race([this.#outcome, sleep(2000)]);
      this.kill("SIGKILL");
      throw error;
    }
  }

  async [Symbol.asyncDispose]() {
    await this.stop();
  }
}

const standIns = import.meta.resolve("@std/assert").startsWith("file:")
  ? ["--import-map=tests/std/import_map.json"]
  : [];

/** The arguments with which Deno runs a program: with the documented permission. */
export function denoRun(permission = "--allow-net=localhost:50008"): string[] {
  return ["run", ...standIns, "-q", "--no-prompt", permission];
}

/** Starts a program of the project. */
export function start(...args: string[]): Program {
  return new Program(Deno.execPath(), ...denoRun(), ...args);
}

/** Runs a program of the project until it ends. */
export async function run(...args: string[]): Promise<Outcome> {
  return await start(...args).end();
}

/** Starts `server.ts`, and waits until it listens. */
export async function startServer(...flags: string[]): Promise<Program> {
  const server = start(...flags, "server.ts");
  await server.printed(":50008)\n");
  return server;
}

/** Runs a script of the shell's, in which `$0` is this Deno. */
export function startShell(script: string, ...args: string[]): Program {
  return new Program("sh", "-c", script, Deno.execPath(), ...args);
}

/** The flag that has Deno run a function in a program before its own code. */
export function preload<T extends unknown[]>(
  fn: (...args: T) => void,
  ...args: T
): string {
  const source = `(${fn})(...${JSON.stringify(args)})`;
  return `--preload=data:text/javascript,${encodeURIComponent(source)}`;
}

/** Starts a program of the project with no more than 64 file descriptors. */
export function startStarved(...args: string[]): Program {
  // Half a second after the start, Deno 2.9.6 opens two more for signals, and
  // crashes if it cannot. So it is made to open them at once.
  const early = preload(() => Deno.addSignalListener("SIGUSR2", () => {}));
  const script = 'ulimit -n 64; exec "$0" "$@"';
  return startShell(script, ...denoRun(), early, ...args);
}

/** Preloaded, keeps `socket_preview.ts` running after its five clients. */
export function stay() {
  Deno.exit = (() => console.log("stays")) as typeof Deno.exit;
}

/**
 * Preloaded, has a server accept nobody until its standard input is closed. So
 * what clients do before that, they do before they are accepted.
 */
export function holdAccepts() {
  const { listen } = Deno;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    console.log("listening");
    const accept = listener.accept.bind(listener);
    const released = Deno.stdin.read(new Uint8Array(1));
    listener.accept = async () => {
      await released;
      return await accept();
    };
    return listener;
  }) as typeof Deno.listen;
}

/**
 * Preloaded, prints the time limit in milliseconds that a client sets, and lets
 * it run out when standard input is closed.
 */
export function endLimitWithInput() {
  AbortSignal.timeout = (milliseconds) => {
    console.log(`${milliseconds} ms`);
    const controller = new AbortController();
    Deno.stdin.read(new Uint8Array(1)).then(() => controller.abort());
    return controller.signal;
  };
}

/**
 * Preloaded, simulates a server's clock. After some clients, accepts fail as
 * listed: the clock is set to a time in milliseconds, and the error has a class
 * of Deno's, or a code. Prints each delay that the server asks for. Delays under
 * a second pass at once, and longer ones when the clock is set to their end.
 */
export function failAccepts(clients: number, failures: [number, string][]) {
  let now = 0;
  let waiting = 0; // for how many short delays
  let timers: { due: number; run: () => void }[] = [];
  const { setTimeout } = globalThis;
  performance.now = () => now;
  globalThis.setTimeout = ((run: () => void, delay: number) => {
    console.log(`${delay} ms`);
    if (delay >= 1000) timers.push({ due: now + delay, run });
    else {
      waiting++;
      setTimeout(() => {
        waiting--;
        now += delay;
        run();
      });
    }
  }) as typeof setTimeout;

  const { listen } = Deno;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    const accept = listener.accept.bind(listener);
    listener.accept = async () => {
      if (clients-- > 0 || failures.length === 0) return await accept();
      if (waiting > 0) console.log("too early");
      const [time, kind] = failures.shift()!;
      now = time;
      const due = timers.filter((timer) => timer.due <= now);
      timers = timers.filter((timer) => timer.due > now);
      for (const timer of due) timer.run();
      if (kind in Deno.errors) {
        throw new Deno.errors[kind as keyof typeof Deno.errors]("simulated");
      }
      throw Object.assign(new TypeError("simulated"), { code: kind });
    };
    return listener;
  }) as typeof Deno.listen;
}
