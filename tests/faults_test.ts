/**
 * What misbehaving clients do to each server, and misbehaving servers to each
 * client: the cells of the README's two tables, each of them measured.
 *
 * @module
 */

import { assertEquals, assertMatch } from "@std/assert";
import { connectMany, exchange, exchangeAtLast, listen } from "./helpers.ts";
import { readOnce, readProject, reset, sleep, until } from "./helpers.ts";
import { within } from "./helpers.ts";
import { denoRun, endLimitWithInput, holdAccepts } from "./program.ts";
import { preload, Program, start, startServer } from "./program.ts";
import { startShell, startStarved, stay } from "./program.ts";
import { type Need, test } from "./register.ts";

const short = "tests/peers/short_version.ts";

/** The three cells that follow a cell of the README's tables. */
async function cellsOf(row: string): Promise<string[]> {
  const lines = (await readProject("README.md")).split("\n");
  const cells = lines.map((line) => line.split("|").map((cell) => cell.trim()));
  return cells.find(([, first]) => first === row)!.slice(2, 5);
}

/** Tests that each server does what its cell says, after its clients' fault. */
function testServers(
  row: string,
  startOne: (...args: string[]) => Program,
  fault: () => Promise<Deno.Conn[] | void>,
  ...needs: Need[]
) {
  test(`README: ${row}`, ...needs, async () => {
    const cells = await cellsOf(row);
    for (const file of [short, "socket_preview.ts", "server.ts"]) {
      await using server = startOne(
        preload(stay),
        preload(holdAccepts),
        file,
      );
      await server.printed("listening\n");
      const isEarly = row.includes("before");
      if (isEarly) await fault();
      await server.closeInput(); // from here on, it accepts clients
      // The fault must not concern the clients that the program itself has.
      const own = file === "server.ts" || isEarly ? 0 : 5;
      const answered = () => server.stdout.split("client got").length - 1;
      await until(() => answered() >= own, "the answers to its own clients");
      const clients = isEarly ? [] : await fault() ?? [];
      await checkServer(server, cells.shift()!);
      for (const client of clients) client.close();
    }
  });
}

async function checkServer(server: Program, cell: string) {
  if (cell === "crashes") {
    assertEquals((await server.end()).code, 1);
  } else if (cell === "answers") {
    assertEquals(await exchangeAtLast("hello"), "server got: [b'hello']");
    assertEquals(await exchangeAtLast("again"), "server got: [b'again']");
  } else {
    assertEquals(cell, "blocked");
    const answer = exchange("hello").catch(() => "");
    assertEquals(await Promise.race([answer, sleep(500)]), undefined);
    server.kill("SIGTERM");
    assertEquals(await answer, "");
  }
}

/** A reset after a tenth of a second, long enough for most servers to accept. */
const lateReset = () => reset("", () => sleep(100));

/** Starts a program whose standard error is a full disk. */
const startOnFullDisk = (...args: string[]) =>
  startShell('exec "$0" "$@" 2>/dev/full', ...denoRun(), ...args);

testServers("One connects and sends nothing", start, () => connectMany(1));
testServers("One resets", start, lateReset);
testServers("One resets before it is accepted", start, () => reset());
testServers(
  "One resets while the disk is full",
  startOnFullDisk,
  lateReset,
  "/dev/full",
);
testServers(
  "Many send nothing",
  startStarved,
  () => connectMany(100),
  "ulimit",
);

/** How Deno runs the three clients, in the order of the README's columns. */
function clientCommands(...flags: string[]): string[][] {
  const files = [`./${short}`, "./socket_preview.ts"];
  const commands = files.map((file) => {
    const source = `import { client } from "${file}"; await client("Alice");`;
    return [Deno.execPath(), "eval", ...flags, source];
  });
  const args = [...denoRun(), ...flags, "client.ts", "Alice"];
  return [...commands, [Deno.execPath(), ...args]];
}

test("README: It never replies", async () => {
  using listener = listen();
  const cells = await cellsOf("It never replies");
  for (const command of clientCommands(preload(endLimitWithInput))) {
    await using client = new Program(...command as [string]);
    using connection = await within(listener.accept(), "the client");
    assertEquals(await readOnce(connection), "Alice");
    const cell = cells.shift();
    if (cell === "waits") {
      await client.closeInput();
      assertEquals(await Promise.race([client.end(), sleep(500)]), undefined);
    } else {
      assertEquals(cell, "gives up");
      await client.printed("10000 ms");
      await client.closeInput();
      assertEquals((await client.end()).code, 1);
    }
  }
});

test(
  "README: It is not running, and the client connects to itself",
  "unshare",
  async () => {
    // In this network, clients can only have the port of the missing server.
    const script = `exec unshare -rn sh -c 'ip link set lo up &&
    cd /proc/sys/net/ipv4 && echo 50008 50008 >ip_local_port_range &&
    cd "$OLDPWD" && exec "$@"' sh "$@"`;
    const cells = await cellsOf(
      "It is not running, and the client connects to itself",
    );
    for (const command of clientCommands()) {
      const { code, stdout, stderr } = await startShell(script, ...command)
        .end();
      const cell = cells.shift();
      if (cell === "prints its own name") {
        assertMatch(stdout, /^client got: \[b['"]Alice['"]\]\n$/);
      } else {
        assertEquals(cell, "reports it");
        assertMatch(stderr, /^client\.ts: no server on localhost:50008: .+\n$/);
        assertEquals([code, stdout], [1, ""]);
      }
    }
  },
);

/**
 * Checks how programs fail at the start: the script with Deno's own error, the
 * others with one line.
 */
async function checkStart(
  messages: Record<string, string>,
  ...flags: string[]
) {
  for (const [file, message] of Object.entries(messages)) {
    const program = new Program(Deno.execPath(), ...flags, file);
    const { code, stdout, stderr } = await program.end();
    const isScript = file === "socket_preview.ts";
    const start = isScript ? stderr.slice(0, message.length) : stderr;
    assertEquals([code, stdout, start], [1, "", message]);
  }
}

test("every program reports a missing permission", async () => {
  const add = "add --allow-net=localhost:50008";
  await checkStart({
    "socket_preview.ts": "error: Uncaught (in promise) NotCapable: ",
    "server.ts": `server.ts: no permission to listen: ${add}\n`,
    "client.ts": `client.ts: no permission to connect: ${add}\n`,
  }, ...denoRun("--allow-net=localhost:50009"));
});

test("every server reports a port in use", async () => {
  using _listener = listen();
  await checkStart({
    "socket_preview.ts": "error: Uncaught (in promise) AddrInUse: ",
    "server.ts": "server.ts: port 50008 is in use: stop the program that uses" +
      " it, or, if it has just stopped, wait a minute\n",
  }, ...denoRun());
});

test(
  "server.ts and client.ts report that they cannot print",
  "/dev/full",
  async () => {
    const script = 'exec "$0" "$@" >/dev/full';
    const server = startShell(script, ...denoRun(), "server.ts");
    const { code, stderr } = await server.end();
    assertMatch(stderr, /^server\.ts: cannot print: .+\n$/);
    assertEquals(code, 1);
    await using _server = await startServer();
    const client = await startShell(script, ...denoRun(), "client.ts", "A", "B")
      .end();
    assertMatch(
      client.stderr,
      /^client\.ts: cannot print: .+ \(2 of 2 names, first "A"\)\n$/,
    );
    assertEquals(client.code, 1);
  },
);
