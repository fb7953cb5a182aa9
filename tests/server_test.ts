/**
 * The promises of `server.ts`: its arguments and messages, and which connections
 * it closes. What it does when all is well is in `readme_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { explain, limitLines, serve } from "../server.ts";
import { listen, simulateTime, sleep } from "./helpers.ts";
import { deno, preload, run } from "./program.ts";
import { test } from "./setup.ts";

const usage = `Usage: server.ts [-h | --help]
Answers every client that connects to localhost:50008, until Ctrl-C.
`;

test("server.ts prints its usage for any argument", async () => {
  for (const argument of ["-h", "--help"]) {
    const outcome = await run(deno("server.ts", argument));
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
  for (const argument of ["--port=80", ""]) {
    const outcome = await run(deno("server.ts", argument, "--help"));
    const problem = `server.ts: the only option is --help, not "${argument}"`;
    const stderr = `${problem}\n${usage}`;
    assertEquals(outcome, { code: 2, stdout: "", stderr });
  }
});

test("server.ts listens on this machine, with a long backlog", async () => {
  const printOptions = preload(`Deno.listen = (options) => {
    console.log(JSON.stringify(options));
    Deno.exit();
  };`);
  const { stdout } = await run(deno(printOptions, "server.ts"));
  const options = '{"hostname":"localhost","port":50008,"tcpBacklog":4096}';
  assertEquals(stdout, `${options}\n`);
});

test("server.ts exits with one line if it cannot listen", async () => {
  using _listener = listen();
  const stderr = "server.ts: port 50008 is in use: stop the program that uses" +
    " it, or, if it has just stopped, wait a minute\n";
  const outcome = { code: 1, stdout: "", stderr };
  assertEquals(await run(deno("server.ts")), outcome);
});

Deno.test("explain() says what to do about an error, or what Deno says", () => {
  const { AddrNotAvailable, PermissionDenied } = Deno.errors;
  assertEquals(
    explain(new PermissionDenied()),
    "the system refuses port 50008: to see the ports that Windows reserves, " +
      "run netsh interface ipv4 show excludedportrange tcp",
  );
  const problem = "cannot serve port 50008: simulated";
  assertEquals(explain(new AddrNotAvailable("simulated")), problem);
});

/** A silent client, as `serve()` sees it. Knows when it was disconnected. */
class SilentClient {
  closed: number | undefined; // milliseconds
  isFreed = false;
  readonly remoteAddr = { transport: "tcp", hostname: "::1", port: 1 } as const;
  readonly #reading = Promise.withResolvers<null>();

  read(): Promise<null> {
    return this.#reading.promise;
  }

  write(bytes: Uint8Array): Promise<number> {
    return Promise.resolve(bytes.length);
  }

  /** Lets the server answer and forget this client. */
  async leave() {
    this.#reading.resolve(null);
    await sleep(0);
  }

  [Symbol.dispose]() {
    this.closed ??= performance.now();
    setTimeout(() => this.isFreed = true, 0); // like its file descriptor
    this.#reading.reject(new Deno.errors.Interrupted("closed"));
  }
}

type Step = SilentClient | Error | (() => unknown);

const silent = (count: number) =>
  Array.from({ length: count }, () => new SilentClient());
const failures = (count: number, code = "EMFILE"): Error[] =>
  Array(count).fill(Object.assign(new Error("simulated"), { code }));

/** Has `serve()` accept clients, or fail to, as told. Returns what it reports. */
async function serveSteps(...steps: Step[]): Promise<string[]> {
  const lines: string[] = [];
  await new Promise<void>((resolve) => {
    async function accept(): Promise<Deno.TcpConn> {
      const step = steps.shift();
      if (step instanceof SilentClient) return step as unknown as Deno.TcpConn;
      if (step instanceof Error) throw step;
      if (step === undefined) {
        resolve();
        return await new Promise(() => {}); // nobody comes
      }
      await step();
      return await accept();
    }
    serve({ accept }, (line) => lines.push(line));
  });
  return lines;
}

Deno.test("serve() closes the oldest after 75 failures in a row", async () => {
  using _clock = simulateTime();
  const clients = silent(301);
  const lines = await serveSteps(
    ...clients,
    ...failures(74),
    ...failures(4, "ENFILE"),
    () => assert(clients[257]!.isFreed),
  );
  // Each failure takes 12 ms. The 76th closes 128, then 87 of 173, then 43 of 86.
  const closed = clients.map((client) => client.closed);
  const expected = [
    ...Array(128).fill(76 * 12),
    ...Array(87).fill(77 * 12),
    ...Array(43).fill(78 * 12),
    ...Array(43).fill(undefined),
  ];
  assertEquals(closed, expected);
  const line = "[::1]:1: closed to make room for other clients";
  assertEquals(lines, ["accept: simulated", ...Array(258).fill(line)]);
});

Deno.test("serve() counts failures anew when a shortage is over", async () => {
  const cases: [isOver: boolean, left: number, milliseconds: number][] = [
    [true, 24, 0], // fewer than a quarter of 100 clients are left
    [false, 25, 0],
    [true, 100, 989], // and 12 since the last failure: more than a second
    [false, 100, 988],
  ];
  for (const [isOver, left, milliseconds] of cases) {
    using clock = simulateTime();
    const clients = silent(100);
    const lines = await serveSteps(
      ...clients,
      ...failures(75),
      async () => {
        await Promise.all(clients.slice(left).map((client) => client.leave()));
        clock.now += milliseconds;
      },
      ...silent(1),
      ...failures(1),
    );
    assertEquals(clients[0]!.closed === undefined, isOver);
    const reports = lines.filter((line) => line === "accept: simulated");
    assertEquals(reports.length, isOver ? 2 : 1);
  }
});

Deno.test("serve() disconnects nobody because of another client", async () => {
  // What Linux, macOS and Windows report for a client that resets its connection
  // before it is accepted. Only that of Linux needs no pause.
  const { ConnectionAborted, ConnectionReset, NotConnected } = Deno.errors;
  const errors = [
    new NotConnected("simulated"),
    ...failures(1, "EINVAL"),
    new ConnectionAborted("simulated"),
    new ConnectionReset("simulated"),
  ];
  for (const error of errors) {
    using clock = simulateTime();
    const clients = silent(5);
    const lines = await serveSteps(...clients, ...Array(100).fill(error));
    assert(clients.every(({ closed }) => closed === undefined));
    assertEquals(lines, Array(100).fill("accept: simulated"));
    assertEquals(clock.now, error instanceof NotConnected ? 0 : 100);
  }
});

Deno.test("limitLines() prints ten lines in each ten seconds", () => {
  using clock = simulateTime();
  const printed: string[] = [];
  const print = limitLines((line) => printed.push(line));
  for (const time of [0, ...Array(10).fill(9999), ...Array(11).fill(10_000)]) {
    clock.now = time;
    print("simulated");
  }
  const line = "server.ts: simulated";
  const last = `${line} (at most 10 errors are shown in 10 s)`;
  const ten = [...Array(9).fill(line), last];
  assertEquals(printed, [...ten, ...ten]);
  limitLines(() => {
    throw new Error("the disk is full");
  })("simulated"); // does not throw
});
