/**
 * The promises of `server.ts`: its arguments and messages, and that it goes on
 * whatever strangers do.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connect,
  denoRun,
  encode,
  exchange,
  listen,
  Program,
  readAll,
  readProject,
  reset,
  root,
  run,
  sleep,
  startServer,
  startShell,
  starve,
  test,
  until,
} from "./helpers.ts";

const usage = `Usage: server.ts [-h | --help]
Answers everyone who connects to localhost:50008, until Ctrl-C.
`;

for (const file of ["socket_preview.ts", "server.ts", "client.ts"]) {
  test(`${file} can be run as a command, with its permission`, async () => {
    const source = await readProject(file);
    const shebang = "#!/usr/bin/env -S deno run --allow-net=localhost:50008\n";
    assertEquals(source.slice(0, shebang.length), shebang);
    const { mode } = await Deno.stat(new URL(file, root));
    assert(mode === null || (mode & 0o111) === 0o111, "it has no run bit");
  });
}

test("server.ts says where it listens, answers, and runs until Ctrl-C", async () => {
  await using server = await startServer();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(await exchange("again"), "server got: [b'again']");
  server.kill("SIGINT");
  const { code, stdout, stderr } = await server.end();
  assertMatch(
    stdout,
    /^server listening on localhost:50008 \((127\.0\.0\.1|\[::1\]):50008\)\n$/,
  );
  assertEquals([code, stderr], [130, ""]);
});

test("server.ts names its IPv6 address", "sh", "unshare", "ip", async () => {
  await using server = startShell(
    `exec unshare -rnm sh -c '
  ip link set lo up && mount -t tmpfs tmpfs /mnt &&
  printf "::1 localhost\\n127.0.0.1 localhost\\n" >/mnt/hosts &&
  mount --bind /mnt/hosts /etc/hosts && exec "$@"' sh "$0" "$@"`,
    ...denoRun(),
    "server.ts",
  );
  await server.printed("server listening on localhost:50008 ([::1]:50008)\n");
});

test("server.ts prints its usage: if asked, or for any other argument", async () => {
  for (const argument of ["-h", "--help"]) {
    const outcome = await run("server.ts", argument);
    assertEquals(outcome, { code: 0, stdout: usage, stderr: "" });
  }
  for (const args of [["--port=80"], ["--help", "x"], [""], ["-hh"]]) {
    const outcome = await run("server.ts", ...args);
    assertEquals(outcome, { code: 2, stdout: "", stderr: usage });
  }
});

test("server.ts says in one line what keeps it from listening", async () => {
  const taken = "server.ts: port 50008 is taken: stop what listens there," +
    " or wait a minute if it has ended\n";
  const listener = listen();
  const outcome = await run("server.ts");
  listener.close();
  assertEquals(outcome, { code: 1, stdout: "", stderr: taken });

  const flags = denoRun("--allow-net=localhost:50009");
  const server = new Program(Deno.execPath(), ...flags, "server.ts");
  const stderr = "server.ts: no permission to listen: add" +
    " --allow-net=localhost:50008\n";
  assertEquals(await server.end(), { code: 1, stdout: "", stderr });
});

/** Runs `server.ts` with its output sent elsewhere. */
const redirected = (where: string) =>
  startShell(`exec "$0" "$@" ${where}`, ...denoRun(), "server.ts");

test("server.ts says in one line that it cannot print", "sh", async () => {
  const { code, stderr } = await redirected(">/dev/full").end();
  assertMatch(
    stderr,
    /^server\.ts: cannot start on localhost:50008: No space left on device.*\n$/,
  );
  assertEquals(code, 1);
});

test(
  "server.ts goes on where it cannot print a failure",
  "sh",
  "resetAndDestroy",
  async () => {
    await using server = redirected("2>/dev/full");
    await server.printed("listening");
    await reset("late", 2);
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  },
);

test(
  "server.ts says in one line whose connection failed",
  "resetAndDestroy",
  async () => {
    await using server = await startServer();
    await reset("late", 1);
    await until(() => server.stderr.includes("\n"), "the failure is printed");
    assertMatch(
      server.stderr,
      /^server\.ts: (127\.0\.0\.1|\[::1\]):\d+: Connection reset.*\)\n$/,
    );
  },
);

test(
  "server.ts prints ten failures in ten seconds",
  "resetAndDestroy",
  async () => {
    // The ten seconds are 1.25, here.
    await using server = await startServer("--preload=tests/peers/clock.ts");
    const more = " (10 in 10 s: no more for now)";
    let seen = 0;
    /** Has clients reset before accept; returns what follows the error messages. */
    const fail = async (count: number) => {
      server.kill("SIGSTOP"); // so that they reset before they are accepted
      await reset("reset", count);
      server.kill("SIGCONT");
      assertEquals(await exchange("hello"), "server got: [b'hello']");
      const lines = server.stderr.slice(seen).split("\n").slice(0, -1);
      seen = server.stderr.length;
      return lines.map((line) =>
        line.replace(/^server\.ts: accept: \w[^)]*\)/, "")
      );
    };
    assertEquals(await fail(300), [...Array(9).fill(""), more]);
    const start = performance.now();
    assertEquals(await fail(1), []);
    await sleep(800 - (performance.now() - start));
    assertEquals(await fail(1), []);
    await sleep(1400 - (performance.now() - start));
    assertEquals(await fail(1), [""]);
  },
);

test("server.ts lets nobody wait for clients that reset before accept", async () => {
  await using _server = await startServer("--preload=tests/peers/aborts.ts");
  const start = performance.now();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const elapsed = performance.now() - start; // a pause for each would be 2.5 s
  assert(elapsed < 2000, `the next client waited for ${elapsed} ms`);
});

test("server.ts is ready for 100 clients at once", async () => {
  // With a backlog of 5, all but six would wait for a second or longer.
  await using server = await startServer();
  server.kill("SIGSTOP");
  const start = performance.now();
  const clients = await Promise.all(Array.from({ length: 100 }, connect));
  const elapsed = performance.now() - start;
  for (const client of clients) client.close();
  assert(elapsed < 900, `100 clients took ${elapsed} ms to connect`);
  server.kill("SIGCONT");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
});

/** Starts `server.ts` with few descriptors, when Deno has opened all of its own. */
async function startStarved(
  descriptors: number,
  flags = denoRun(),
): Promise<Program> {
  const server = starve(descriptors, ...flags, "server.ts");
  await server.printed("listening");
  await sleep(600); // half a second after its start, Deno opens two more
  return server;
}

/** Says something on connections, and returns which of them are still answered. */
async function whoIsAnswered(clients: Deno.Conn[]): Promise<boolean[]> {
  return await Promise.all(clients.map(async (client) => {
    try {
      await client.write(encode("late")).catch(() => {});
      return /^server got: \[b'(late)+'\]$/.test(await readAll(client));
    } catch {
      return false;
    } finally {
      client.close();
    }
  }));
}

test("server.ts lets the 128 oldest go, after a second", "sh", async () => {
  await using server = await startStarved(300);
  const connectMany = async () => {
    const silent: Deno.Conn[] = [];
    while (silent.length < 300) silent.push(await connect());
    return silent;
  };
  const [oldest, ...others] = await connectMany();
  const start = performance.now();
  assertEquals(await readAll(oldest!), "");
  const patience = performance.now() - start;
  assert(patience > 900 && patience < 1500, `it waited for ${patience} ms`);
  oldest!.close();
  await sleep(100);
  const answered = await whoIsAnswered(others);
  assertEquals(answered, others.map((_, index) => index >= 127));

  await sleep(1050); // a quiet second, after which it waits again
  const again = await connectMany();
  await sleep(500);
  assertEquals(await whoIsAnswered(again), Array(300).fill(true));
  assertMatch(
    server.stderr,
    /^(server\.ts: accept: Too many open files.*\n){10}$/,
  );
});

test("server.ts loses nobody who speaks at once", "sh", async () => {
  await using _server = await startStarved(64);
  const silent = await Promise.all(Array.from({ length: 60 }, connect));
  const clients: Deno.Conn[] = [];
  while (clients.length < 300) {
    const client = await connect();
    clients.push(client);
    await client.write(encode("late"));
  }
  assertEquals(await whoIsAnswered(clients), Array(300).fill(true));
  for (const client of silent) client.close();
});

test("server.ts answers beside a flood, says who is let go", "sh", async () => {
  // The ten seconds in which it prints ten lines are 1.25, here.
  const flags = [...denoRun(), "--preload=tests/peers/clock.ts"];
  await using server = await startStarved(64, flags);
  const silent: Promise<Deno.Conn>[] = [];
  const flood = setInterval(() => silent.push(connect()), 2); // 500 a second
  try {
    await server.printed("Too many open files");
    await server.printed("let go to make room");
    for (let count = 0; count < 20; count++) {
      assertEquals(await exchange("hello"), "server got: [b'hello']");
    }
  } finally {
    clearInterval(flood);
    for (const connection of silent) (await connection).close();
  }
  const peers = server.stderr.match(/^.*(?=: let go)/gm) ?? [];
  assertMatch(`${peers[0]}`, /^server\.ts: (127\.0\.0\.1|\[::1\]):\d+$/);
  assertEquals(peers.length, new Set(peers).size); // each once
});
