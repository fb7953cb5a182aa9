/**
 * What misbehaving clients do to each server: the cells of the README's table,
 * each of them tried.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { connect, exchange, fiveLines, readProject, sleep } from "./helpers.ts";
import { reset, untilAccepted } from "./peers/reset.ts";
import { deno, type Program, start, starved } from "./program.ts";
import { test } from "./setup.ts";

/** The servers of the table's columns, each with what it prints at its start. */
const servers = [
  ["tests/peers/short_version.ts", fiveLines],
  ["tests/peers/script_server.ts", "listening\n"],
  ["server.ts", ":50008)\n"],
] as const;

/** Tests that each server does what its cell says, after its clients' fault. */
function testRow(
  row: string,
  fault: (server: Program, clients: DisposableStack) => Promise<unknown>,
  { command = deno, ignore = false } = {},
) {
  test(`README: ${row}`, async () => {
    const lines = (await readProject("README.md")).split("\n");
    const line = lines.find((line) => line.startsWith(`| ${row} `))!;
    const cells = line.split("|").slice(2, 5).map((cell) => cell.trim());
    for (const [file, firstLines] of servers) {
      await using server = start(command(file));
      await server.printed(...firstLines.trim().split("\n"));
      using clients = new DisposableStack(); // those that send nothing
      await fault(server, clients);
      await check[cells.shift() as keyof typeof check](server, clients);
    }
  }, { ignore });
}

const reply = "server got: [b'hello']";

const check = {
  async crashes(server: Program) {
    assertEquals((await server.end()).code, 1);
  },

  async answers() {
    assertEquals(await exchange("hello"), reply);
  },

  /** There is no reply in 1.5 seconds, but one when the silent clients leave. */
  async blocked(_server: Program, clients: DisposableStack) {
    const answer = exchange("hello");
    assertEquals(await Promise.race([answer, sleep(1500)]), undefined);
    clients.dispose();
    assertEquals(await answer, reply);
  },
};

/** Connects 100 silent clients, or as many as the backlog takes. */
async function connectMany(_server: Program, clients: DisposableStack) {
  const address = { hostname: "localhost", port: 50008 };
  try {
    for (let count = 0; count < 100; count++) {
      const signal = AbortSignal.timeout(3000);
      clients.use(await Deno.connect({ ...address, signal }));
    }
  } catch (error) {
    assertEquals((error as Error).name, "TimeoutError");
  }
}

testRow(
  "One sends nothing",
  async (_server, clients) => clients.use(await connect()),
);

testRow("One resets", () => reset(untilAccepted));

testRow("One resets before accept", async (server) => {
  server.kill("SIGSTOP");
  await reset();
  server.kill("SIGCONT");
}, { ignore: Deno.build.os === "windows" });

testRow("Many send nothing", connectMany, {
  command: starved,
  ignore: Deno.build.os === "windows",
});
