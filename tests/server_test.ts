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
const tenth = " (only 10 errors are shown in any 10 s)";

for (const file of ["socket_preview.ts", "server.ts", "client.ts"]) {
  test(`${file} can be run as a command`, "file modes", async () => {
    const source = await readProject(file);
    const shebang = "#!/usr/bin/env -S deno run --allow-net=localhost:50008\n";
    assertEquals(source.slice(0, shebang.length), shebang);
    const { mode } = await Deno.stat(new URL(file, root));
    assertEquals(mode! & 0o111, 0o111);
  });
}

test("server.ts says where it listens, and answers one client after another", async () => {
  await using server = await startServer();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(await exchange("again"), "server got: [b'again']");
  assertMatch(
    server.stdout,
    /^server listening on localhost:50008 \((127\.0\.0\.1|\[::1\]):50008\)\n$/,
  );
  assertEquals(server.stderr, "");
});

test("server.ts stops at Ctrl-C", "signals", async () => {
  await using server = await startServer();
  server.kill("SIGINT");
  const { code, stderr } = await server.end();
  assertEquals([code, stderr], [130, ""]);
});

/** Starts `server.ts` in a network of its own, which a script prepares. */
function startElsewhere(script: string): Program {
  const inside = `ip link set lo up && ${script} && exec "$@"`;
  const command = ["unshare", "-rnm", "sh", "-c", inside, "sh"];
  const deno = [Deno.execPath(), ...denoRun(), "server.ts"];
  return startShell('exec "$@"', ...command, ...deno);
}

test("server.ts says which address localhost has", "unshare", async () => {
  await using server = startElsewhere(`mount -t tmpfs tmpfs /mnt &&
    printf "::1 localhost\\n127.0.0.1 localhost\\n" >/mnt/hosts &&
    mount --bind /mnt/hosts /etc/hosts`);
  await server.printed("server listening on localhost:50008 ([::1]:50008)\n");
});

test("server.ts says if the system reserves its port", "unshare", async () => {
  const server = startElsewhere(`cd /proc/sys/net/ipv4 &&
    echo 60001 61000 >ip_local_port_range &&
    echo 60000 >ip_unprivileged_port_start && cd "$OLDPWD" &&
    set -- setpriv --bounding-set -all --inh-caps -all "$@"`);
  const stderr = "server.ts: the system reserves port 50008: to see its" +
    " reserved ports on Windows, run netsh interface ipv4 show" +
    " excludedportrange tcp\n";
  assertEquals(await server.end(), { code: 1, stdout: "", stderr });
});

test("server.ts prints its usage if asked, or after any other argument", async () => {
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

test("server.ts names a client whose connection fails, and goes on", async () => {
  await using server = await startServer();
  // When a later client has been answered, this one has been accepted.
  await reset("", () => exchange("later"));
  await server.printed("server.ts: ");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertMatch(
    server.stderr,
    /^server\.ts: (127\.0\.0\.1|\[::1\]):\d+: [^\n]+\n$/,
  );
});

/** The delays that `failAccepts` has printed, in milliseconds. */
function delaysOf(server: Program): number[] {
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

test("server.ts closes nobody's connection because of another client", async () => {
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

test("server.ts prints ten errors in ten seconds", async () => {
  const times = [...Array(12).fill(0), 9_999, 10_000, 10_001];
  const failures = times.map((
    time,
  ): [number, string] => [time, "NotConnected"]);
  await using server = await startServer(preload(failAccepts, 0, failures));
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const lines = [...Array(9).fill(accept), accept + tenth, accept, accept];
  assertEquals(server.stderr, lines.join("\n") + "\n");
  assertEquals(delaysOf(server), Array(12).fill(10_000));
});

test("server.ts closes the oldest connections once file descriptors are short for a second", async () => {
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
  const lines = server.stderr.replaceAll(
    /(127\.0\.0\.1|\[::1\]):\d+/g,
    "client",
  );
  const closed = "server.ts: client: closed to make room for other clients";
  assertEquals(
    lines,
    [accept, ...Array(8).fill(closed), closed + tenth, accept, ""].join("\n"),
  );
});

test(
  "server.ts waits a second for silent clients, and answers all others",
  "ulimit",
  async () => {
    await using server = startStarved("server.ts");
    await server.printed("listening");
    const silent = await connectMany(100);
    await server.printed("accept: ");
    const start = performance.now();
    assertEquals(await readAll(silent[0]!), "");
    const elapsed = performance.now() - start;
    assert(elapsed > 500, `it waited for ${elapsed} ms`);
    for (let count = 0; count < 20; count++) {
      assertEquals(await exchange("hello"), "server got: [b'hello']");
    }
    for (const connection of silent) connection.close();
    assertMatch(server.stderr, /^(server\.ts: .+\n){10}$/);
  },
);
