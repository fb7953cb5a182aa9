/**
 * The promises of `server.ts`: its arguments and messages, and that it keeps
 * running whatever clients do. More of what they may do is in `faults_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connectMany,
  encode,
  exchange,
  exchangeAtLast,
  readAll,
  readProject,
  reset,
  root,
} from "./helpers.ts";
import {
  denoRun,
  failAccepts,
  preload,
  Program,
  run,
  startServer,
  startShell,
  startStarved,
} from "./program.ts";
import { test } from "./register.ts";

const usage = `Usage: server.ts [-h | --help]
Answers every client that connects to localhost:50008, until Ctrl-C.
`;
const accept = "server.ts: accept: simulated";
const tenth = " (at most 10 errors are shown in any 10 s)";

test("each program can be run as a command", "file modes", async () => {
  for (const file of ["socket_preview.ts", "server.ts", "client.ts"]) {
    const [shebang] = (await readProject(file)).split("\n");
    const command = "deno run --allow-net=localhost:50008";
    assertEquals(shebang, `#!/usr/bin/env -S ${command}`);
    const { mode } = await Deno.stat(new URL(file, root));
    assertEquals(mode! & 0o111, 0o111);
  }
});

test("server.ts listens for this machine alone, and answers", async () => {
  const printOptions = preload(() => {
    const { listen } = Deno;
    Deno.listen = ((options: Deno.TcpListenOptions) => {
      console.log(JSON.stringify(options));
      return listen(options);
    }) as typeof Deno.listen;
  });
  await using server = await startServer(printOptions);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(await exchange("again"), "server got: [b'again']");
  const { stdout, stderr } = await server.stop();
  const options = '{"hostname":"localhost","port":50008,"tcpBacklog":4096}';
  const address = stdout.includes("[::1]") ? "[::1]" : "127.0.0.1";
  const line = `server listening on localhost:50008 (${address}:50008)`;
  assertEquals([stdout, stderr], [`${options}\n${line}\n`, ""]);
});

test("server.ts stops at Ctrl-C", "signals", async () => {
  await using server = await startServer();
  server.kill("SIGINT");
  const { code, stderr } = await server.end();
  assertEquals([code, stderr], [130, ""]);
});

test("server.ts prints the address of localhost", "unshare", async () => {
  const script = `exec unshare -rnm sh -c 'ip link set lo up &&
    mount -t tmpfs tmpfs /mnt &&
    printf "::1 localhost\\n127.0.0.1 localhost\\n" >/mnt/hosts &&
    mount --bind /mnt/hosts /etc/hosts && exec "$@"' sh "$0" "$@"`;
  await using server = startShell(script, ...denoRun(), "server.ts");
  await server.printed("server listening on localhost:50008 ([::1]:50008)\n");
});

test("server.ts reports why it cannot listen", async () => {
  const messages = {
    PermissionDenied: "the system reserves port 50008: to see its reserved" +
      " ports on Windows, run netsh interface ipv4 show excludedportrange tcp",
    AddrNotAvailable: "cannot listen on localhost:50008: simulated",
  };
  for (const [name, message] of Object.entries(messages)) {
    const failToListen = preload((name) => {
      Deno.listen = () => {
        throw new Deno.errors[name as "AddrNotAvailable"]("simulated");
      };
    }, name);
    const outcome = await run(failToListen, "server.ts");
    const stderr = `server.ts: ${message}\n`;
    assertEquals(outcome, { code: 1, stdout: "", stderr });
  }
});

test("server.ts prints its usage for any argument", async () => {
  for (const argument of ["-h", "--help"]) {
    const outcome = await run("server.ts", argument);
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
  for (const args of [["--port=80"], ["--help", "x"], [""], ["-hh"]]) {
    const outcome = await run("server.ts", ...args);
    const problem = `server.ts: the only option is --help, not "${
      args.join(" ")
    }"`;
    const stderr = `${problem}\n${usage}`;
    assertEquals(outcome, { code: 2, stdout: "", stderr });
  }
});

test("server.ts names a client whose connection fails", async () => {
  await using server = await startServer();
  // When a later client has been answered, this one has been accepted.
  await reset("", async () => void await exchange("later"));
  await server.printed("server.ts: ");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const { stderr } = await server.stop();
  assertMatch(stderr, /^server\.ts: (127\.0\.0\.1|\[::1\]):\d+: .+\n$/);
});

/** The delays that `failAccepts` has printed, all of which must be awaited. */
function delaysOf(server: Program): number[] {
  assert(!server.stdout.includes("too early"), server.stdout);
  return [...server.stdout.matchAll(/^(\d+) ms$/gm)].map(([, ms]) =>
    Number(ms)
  );
}

/** Sends a message as each client, and returns what each gets, or undefined. */
async function tryAll(clients: Deno.Conn[]): Promise<(string | undefined)[]> {
  return await Promise.all(clients.map(async (client, i) => {
    try {
      await client.write(encode(`${i}`));
      return await readAll(client) || undefined;
    } catch {
      return undefined;
    } finally {
      client.close();
    }
  }));
}

test("server.ts disconnects nobody because of another client", async () => {
  // The errors that Linux, macOS and Windows report for a client that resets its
  // connection before it is accepted: for over a second, to be sure.
  const kinds = [
    "NotConnected",
    "EINVAL",
    "ConnectionReset",
    "ConnectionAborted",
  ];
  const times = [0, 500, 999, 1001, 1500];
  const failures = times.flatMap((time) =>
    kinds.map((kind): [number, string] => [time, kind])
  );
  await using server = await startServer(preload(failAccepts, 5, failures));
  const slow = await connectMany(5);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const replies = slow.map((_, i) => `server got: [b'${i}']`);
  assertEquals(await tryAll(slow), replies);
  const pauses = delaysOf(server).filter((delay) => delay < 10_000);
  assertEquals(pauses, Array(15).fill(1)); // and none for NotConnected
});

test("server.ts prints ten errors in any ten seconds", async () => {
  const times = [0, ...Array(11).fill(5000), 9999, 10_000, 10_001, 15_000];
  const failures = times.map((time): [number, string] => [
    time,
    "NotConnected",
  ]);
  await using server = await startServer(preload(failAccepts, 0, failures));
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const { stderr } = await server.stop();
  // The first makes way for one at 10 seconds, the others for one at 15.
  const lines = [...Array(9).fill(accept), accept + tenth, accept + tenth];
  assertEquals(stderr, [...lines, accept, ""].join("\n"));
  assertEquals(delaysOf(server), Array(12).fill(10_000));
});

test("server.ts makes room after a second of shortage", async () => {
  // After each failure comes the number of connections that it closes.
  const failures: [number, "EMFILE" | "ENFILE"][] = [
    [0, "EMFILE"], // 0: the shortage starts
    [988, "ENFILE"], // 0: 12 ms later, it has lasted for a second, not longer
    [989, "EMFILE"], // 128
    [1002, "EMFILE"], // 128
    [2002, "EMFILE"], // 72, half of the rest: it is still the same shortage
    [3003, "EMFILE"], // 0: more than a second later is a new one
    [20_000, "EMFILE"], // 0: another one
  ];
  await using server = await startServer(preload(failAccepts, 401, failures));
  assertEquals(await exchange("early"), "server got: [b'early']");
  const clients = await connectMany(400);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const answered = (await tryAll(clients)).map((reply) => reply !== undefined);
  assertEquals(answered, clients.map((_, i) => i >= 128 + 128 + 72));

  const pauses = delaysOf(server).filter((delay) => delay < 10_000);
  assertEquals(pauses, [12, 12, 12, 0, 12, 0, 12, 0, 12, 12]);
  const { stderr } = await server.stop();
  const lines = stderr.replaceAll(
    /(127\.0\.0\.1|\[::1\]):\d+/g,
    "client",
  );
  const closed = "server.ts: client: closed to make room for other clients";
  assertEquals(
    lines,
    [accept, ...Array(8).fill(closed), closed + tenth, accept, ""].join("\n"),
  );
});

test("server.ts answers beside silent clients", "ulimit", async () => {
  await using server = startStarved("server.ts");
  await server.printed("listening");
  const silent = await connectMany(100);
  assertEquals(await readAll(silent[0]!), ""); // it is closed after a second
  for (let count = 0; count < 20; count++) {
    assertEquals(await exchangeAtLast("hello"), "server got: [b'hello']");
  }
  for (const connection of silent) connection.close();
  const { stderr } = await server.stop();
  assertMatch(stderr, /^server\.ts: accept: .+\n(server\.ts: .+\n)+$/);
});
