/**
 * The promises of `server.ts`: its arguments and messages, what keeps it running,
 * and which connections it closes.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../server.ts";
import {
  connect,
  exchange,
  listen,
  readAll,
  replace,
  simulateTime,
  sleep,
  timeout,
  within,
} from "./helpers.ts";
import { reset, untilAccepted } from "./peers/reset.ts";
import { deno, preload, Program, run, shell } from "./program.ts";

const usage = `Usage: server.ts [-h | --help]
Answers clients that connect to localhost:50008, until Ctrl-C.
`;
const reply = "server got: [b'hello']";

Deno.test("server.ts prints its usage", { timeout }, async () => {
  for (const argument of ["-h", "--help"]) {
    const outcome = await run(deno("server.ts", argument));
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
  const outcome = await run(deno("server.ts", "", "--help"));
  const stderr = `server.ts: unexpected argument ""\n${usage}`;
  assertEquals(outcome, { code: 2, stdout: "", stderr });
});

Deno.test("server.ts has a long backlog", { timeout }, async () => {
  const printOptions = preload(`Deno.listen = (options) => {
    console.log(JSON.stringify(options));
    Deno.exit();
  };`);
  const { stdout } = await run(deno(printOptions, "server.ts"));
  const options = '{"hostname":"localhost","port":50008,"tcpBacklog":4096}';
  assertEquals(stdout, `${options}\n`);
});

Deno.test("server.ts says why it cannot listen", { timeout }, async () => {
  const problem = "server.ts: cannot listen on localhost:50008";
  const { code, stderr } = await run(deno("--deny-net", "server.ts"));
  assertMatch(stderr, /^[^\n]+: NotCapable: [^\n]+ the --allow-net flag\n$/);
  assert(stderr.startsWith(problem), stderr);
  assertEquals(code, 1);
  using _listener = listen();
  const inUse = await run(deno("server.ts"));
  assert(inUse.stderr.startsWith(`${problem}: AddrInUse: `), inUse.stderr);
  assertMatch(
    inUse.stderr,
    /: stop the program that uses it or, if .+ minute\n$/,
  );
});

Deno.test("server.ts says where it listens, and ends with Ctrl-C", {
  timeout,
  ignore: Deno.build.os === "windows", // it cannot send this signal
}, async () => {
  await using server = new Program(deno("server.ts"));
  await server.printed("listening");
  using conn = await connect();
  server.kill("SIGINT");
  const { code, stdout } = await server.end();
  assertEquals(code, 130);
  assert(stdout.includes(conn.remoteAddr.hostname), stdout);
});

Deno.test("server.ts answers if nobody reads what it prints", {
  timeout,
  ignore: Deno.build.os !== "linux",
}, async () => {
  const outputs = [
    "exec >/dev/full 2>&1", // a full disk
    // A full pipe: the one that standard input comes from.
    "head -c 65536 /dev/zero >/proc/self/fd/0 && exec >/proc/self/fd/0 2>&1",
  ];
  for (const output of outputs) {
    await using _server = new Program(shell(deno("server.ts"), output));
    using _silent = await connect();
    for (let count = 0; count < 3; count++) {
      await reset(untilAccepted);
      assertEquals(await exchange("hello"), reply);
    }
  }
});

Deno.test("serve() ends when its listener is closed", { timeout }, async () => {
  const listener = listen();
  const lines: string[] = [];
  const serving = serve(listener, (line) => lines.push(line));
  using silent = await connect();
  assertEquals(await exchange("hello"), reply);
  listener.close();
  await within(serving, "serve() to end");
  assertEquals(await readAll(silent), ""); // until the server closes
  assertEquals(lines, []);
});

/** A silent client, as `serve()` sees it. Knows when it was disconnected. */
class SilentClient {
  closed: number | undefined; // milliseconds
  isFreed = false;
  readonly remoteAddr = { transport: "tcp", hostname: "::1", port: 1 } as const;
  readonly #reading = Promise.withResolvers<null>();

  read() {
    return this.#reading.promise;
  }

  /** Lets the server notice that this client is gone. */
  async leave() {
    this.#reading.reject(new Error("gone"));
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

/** Has `serve()` accept clients, or fail to, as told. Returns what it prints. */
async function serveSteps(...steps: Step[]): Promise<string[]> {
  const lines: string[] = [];
  const decoder = new TextDecoder();
  const write = (bytes: Uint8Array) =>
    Promise.resolve(lines.push(decoder.decode(bytes).trimEnd()));
  using _write = replace(Deno.stderr, "write", write);
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
    serve({ accept });
  });
  for (let turn = 0; turn < 9; turn++) await sleep(0); // until timers are over
  return lines;
}

const failure = "server.ts: accept: simulated";

Deno.test("serve() closes the oldest after 190 failures in a row", async () => {
  using _clock = simulateTime();
  const clients = silent(301);
  const lines = await serveSteps(
    ...clients,
    ...failures(189),
    ...failures(4, "ENFILE"),
    () => assert(clients[174]!.isFreed),
  );
  // Each failure takes 4 ms. From the 191st on, each closes a quarter.
  const closed = clients.map((client) => client.closed);
  const expected = [
    ...Array(76).fill(191 * 4),
    ...Array(57).fill(192 * 4),
    ...Array(42).fill(193 * 4),
    ...Array(126).fill(undefined),
  ];
  assertEquals(closed, expected);
  assertEquals(lines, [
    failure,
    "server.ts: closing the oldest 76 of 301 connections",
    "server.ts: closing the oldest 57 of 225 connections",
    "server.ts: closing the oldest 42 of 168 connections",
  ]);
});

Deno.test("serve() has no new patience if it has room for one", async () => {
  using _clock = simulateTime();
  const [a, b] = silent(2);
  const lines = await serveSteps(a!, ...failures(191), b!, ...failures(2));
  assert(a!.closed && b!.closed);
  assertEquals(lines.length, 3); // the last failure finds nothing to close
});

Deno.test("serve() counts failures anew when a shortage is over", async () => {
  const cases: [isOver: boolean, left: number, milliseconds: number][] = [
    [true, 1, 0], // fewer than a quarter of eight clients are left
    [false, 2, 0],
    [true, 8, 757], // plus the pause of 4: more than 760
    [false, 8, 756],
  ];
  for (const [isOver, left, milliseconds] of cases) {
    using clock = simulateTime();
    const clients = silent(8);
    const lines = await serveSteps(
      ...clients,
      ...failures(190),
      async () => {
        await Promise.all(clients.slice(left).map((client) => client.leave()));
        clock.now += milliseconds;
      },
      ...silent(1),
      ...failures(1),
    );
    assertEquals(clients[0]!.closed === undefined, isOver);
    const reports = lines.filter((line) => line === failure);
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
    await serveSteps(...clients, ...Array(100).fill(error));
    assert(clients.every(({ closed }) => closed === undefined));
    assertEquals(clock.now, error instanceof NotConnected ? 0 : 100);
  }
});

Deno.test("serve() prints ten lines in each ten seconds", async () => {
  using clock = simulateTime();
  const client = new SilentClient();
  const error = new Deno.errors.NotConnected("simulated");
  const times = [...Array(10).fill(9999), ...Array(11).fill(10_000)];
  const steps = times.flatMap((time) => [() => clock.now = time, error]);
  const last = `${failure} (more are hidden for up to 10 s)`;
  const lines = await serveSteps(client, () => client.leave(), ...steps);
  const nine = Array(9).fill(failure);
  const first = "server.ts: [::1]:1: gone";
  assertEquals(lines, [first, ...nine.slice(1), last, ...nine, last]);
});
