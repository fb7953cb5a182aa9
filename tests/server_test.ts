import { assert, assertEquals, assertMatch } from "@std/assert";
import { serve } from "../server.ts";
import {
  ask,
  connect,
  connectSilent,
  encode,
  listen,
  readAll,
  replace,
  simulateTime,
  sleep,
  timeout,
  within,
} from "./helpers.ts";
import { reset, untilAccepted } from "./peers/reset.ts";
import { deno, Program, run, shell, succeeds } from "./program.ts";

const usage = `Usage: server.ts [-h | --help]
Answers clients that connect to localhost:50008, until Ctrl-C.
`;
const reply = "server got: [b'hello']";

Deno.test("server.ts prints its usage", { timeout }, async () => {
  for (const argument of ["-h", "--help"]) {
    const { code, stdout, stderr } = await run(deno("server.ts", argument));
    assertEquals([code, stdout, stderr], [0, usage, ""]);
  }
  const { code, stdout, stderr } = await run(deno("server.ts", "", "--help"));
  const problem = `server.ts: unexpected argument ""\n${usage}`;
  assertEquals([code, stdout, stderr], [2, "", problem]);
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
  const advice = /: stop the program that uses it or, if .+ minute\n$/;
  assertMatch(inUse.stderr, advice);
  assertEquals(inUse.code, 1);
});

Deno.test("server.ts says where it listens, and Ctrl-C stops it", {
  timeout,
  ignore: Deno.build.os === "windows", // it cannot send this signal
}, async () => {
  await using server = new Program(deno("server.ts"));
  await server.printed("listening");
  using conn = await connect();
  server.kill("SIGINT");
  const { signal, stdout } = await server.end();
  assertEquals(signal, "SIGINT"); // so a shell does not run what comes next
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
    await using _server = new Program(shell(output, deno("server.ts")));
    using _silent = await connect();
    for (let count = 0; count < 3; count++) {
      await reset(untilAccepted);
      assertEquals(await ask("hello"), reply);
    }
  }
});

Deno.test("server.ts answers all of 2,000 who wait beside silent clients", {
  timeout,
  ignore: !await succeeds(
    "test $(ulimit -Hn) -gt 3000 -a $(cat /proc/sys/net/core/somaxconn) -gt 2000",
  ),
}, async () => {
  const command = shell("ulimit -n 512", deno("server.ts"));
  await using server = new Program(command);
  await server.printed("listening");
  using clients = new DisposableStack();
  await connectSilent(clients, 512);
  await server.printed("accept: ");
  server.kill("SIGSTOP");
  const waiting = await connectSilent(clients, 2000);
  await Promise.all(waiting.map((conn) => conn.write(encode("hello"))));
  server.kill("SIGCONT");
  const replies = await Promise.all(waiting.map(readAll));
  assertEquals(replies.filter((text) => text === reply).length, 2000);
});

Deno.test("serve() ends when its listener is closed", { timeout }, async () => {
  const listener = listen();
  let isOpen = true; // a loop that goes on would not let any time pass
  const accept = () =>
    isOpen ? listener.accept() : new Promise<never>(() => {});
  const lines: string[] = [];
  const serving = serve({ accept }, (line) => lines.push(line));
  using clients = new DisposableStack();
  const silent = await connectSilent(clients, 5);
  assertEquals(silent.length, 5);
  assertEquals(await ask("hello"), reply);
  isOpen = false;
  listener.close();
  await within(serving, "serve() to end");
  for (const conn of silent) assertEquals(await readAll(conn), ""); // closed
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

const silentClients = (count: number) =>
  Array.from({ length: count }, () => new SilentClient());
const failures = (count: number, code = "EMFILE"): Error[] =>
  Array(count).fill(Object.assign(new Error("simulated"), { code }));

/** Has `serve()` accept clients, or fail to, as told. Returns its reports. */
async function serveSteps(steps: Step[], hasReport = true): Promise<string[]> {
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
    serve({ accept }, hasReport ? (line) => lines.push(line) : undefined);
  });
  for (let turn = 0; turn < 9; turn++) await sleep(0); // until timers are over
  return lines;
}

Deno.test("serve() closes the oldest after 190 failures in a row", async () => {
  using _clock = simulateTime();
  const clients = silentClients(301);
  const lines = await serveSteps([
    ...clients,
    ...failures(189),
    ...failures(4, "ENFILE"),
    () => assert(clients[174]!.isFreed),
  ]);
  assertEquals(lines, [
    "accept: simulated",
    "closing the oldest 76 of 301 connections",
    "closing the oldest 57 of 225 connections",
    "closing the oldest 42 of 168 connections",
  ]);
  // Each failure takes 4 ms. From the 191st on, each closes a quarter.
  const expected = [
    ...Array(76).fill(191 * 4),
    ...Array(57).fill(192 * 4),
    ...Array(42).fill(193 * 4),
    ...Array(126).fill(undefined),
  ];
  assertEquals(clients.map((client) => client.closed), expected);
});

Deno.test("serve() closes nobody if no one is connected", async () => {
  using _clock = simulateTime();
  const [client] = silentClients(1);
  const lines = await serveSteps([client!, ...failures(193)]);
  const closing = "closing the oldest 1 of 1 connections";
  assertEquals(lines, ["accept: simulated", closing]);
});

Deno.test("serve() counts failures anew when a shortage is over", async () => {
  type Case = [isNew: boolean, failed: number, left: number, quiet: number];
  const cases: Case[] = [
    [true, 190, 1, 0], // fewer than a quarter of eight clients are left
    [false, 190, 2, 0],
    [false, 191, 1, 0], // the server had to close some
    [true, 190, 8, 761 - 4], // after the pause of 4 ms
    [false, 190, 8, 760 - 4],
  ];
  for (const [isNew, failed, left, quiet] of cases) {
    using clock = simulateTime();
    const clients = silentClients(8);
    const lines = await serveSteps([
      ...clients,
      ...failures(failed),
      async () => {
        for (const client of clients.slice(0, -left)) await client.leave();
        clock.now += quiet;
      },
      ...silentClients(1),
      ...failures(1),
    ]);
    const reports = lines.filter((line) => line === "accept: simulated");
    assertEquals(reports.length, isNew ? 2 : 1);
    assertEquals(clients.at(-left)!.closed === undefined, isNew);
  }
});

Deno.test("serve() disconnects nobody because of another client", async () => {
  // What Linux, macOS and Windows report for a reset before the accept.
  const { ConnectionAborted, ConnectionReset, NotConnected } = Deno.errors;
  const errors = [
    new NotConnected("simulated"),
    ...failures(1, "EINVAL"),
    new ConnectionAborted("simulated"),
    new ConnectionReset("simulated"),
  ];
  for (const error of errors) {
    using clock = simulateTime();
    const clients = silentClients(5);
    const lines = await serveSteps([
      ...clients,
      ...Array(200).fill(error),
      () => assertEquals(clock.now, error instanceof NotConnected ? 0 : 200),
    ]);
    assertEquals(lines.length, 200);
    assert(clients.every(({ closed }) => closed === undefined));
  }
});

Deno.test("serve() prints ten lines in each ten seconds", async () => {
  using clock = simulateTime();
  const printed: string[] = [];
  const write = (bytes: Uint8Array) =>
    Promise.resolve(printed.push(String.fromCharCode(...bytes)));
  using _write = replace(Deno.stderr, "write", write);
  const [client] = silentClients(1);
  const times = [...Array(14).fill(9999), ...Array(11).fill(10_000)];
  const steps = times.flatMap((time, index) => [
    () => clock.now = time,
    new Deno.errors.NotConnected(`problem ${index}`),
  ]);
  await serveSteps([client!, () => client!.leave(), ...steps], false);
  const line = (index: number) => `server.ts: accept: problem ${index}`;
  const note = " (more are hidden for up to 10 s)";
  assertEquals(printed.map((text) => text.trimEnd()), [
    "server.ts: [::1]:1: gone",
    ...[0, 1, 2, 3, 4, 5, 6, 7].map(line),
    line(8) + note,
    ...[14, 15, 16, 17, 18, 19, 20, 21, 22].map(line),
    line(23) + note,
  ]);
});
