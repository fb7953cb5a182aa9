/**
 * The promises of the README: that its code is code that runs, and that its
 * commands and servers do what it says.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  connect,
  connectSilent,
  exchange,
  root,
  sleep,
  timeout,
} from "./helpers.ts";
import { reset, untilAccepted } from "./peers/reset.ts";
import { deno, preload, Program, run, shell } from "./program.ts";

/** What `socket_preview.ts` prints, in order. */
const fiveLines = [0, 1, 2, 3, 4].map((i) =>
  `client got: [b"server got: [b'client${i}']"]\n`
).join("");

/** Sorts the lines of a text, as clients may print theirs in any order. */
function sortLines(text: string): string {
  return text.split(/(?<=\n)/).sort().join("");
}

/** Reads a file of the project. */
async function readProject(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(file, root));
}

const readme = await readProject("README.md");

/** The blocks of the README in a language. */
function blocksOf(language: string): string[] {
  const pattern = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms");
  return Array.from(readme.matchAll(pattern), ([, block]) => block!);
}

/** The rows of the README's table that has this column. */
function rowsOf(column: string): string[] {
  const [, table] = readme.split(`\n| ${column} `);
  return table!.split("\n\n")[0]!.split("\n").slice(2);
}

/** Code without what the formatter changes when it breaks lines. */
function flatten(code: string): string {
  return code.replaceAll(/(\/\/.*)\n/g, "$1;").replaceAll(/\s/g, "")
    .replaceAll(/,(?=[)}\]])/g, "");
}

/** A command as a reader types it. None of them needs a shell. */
function typed(command: string): string[] {
  const [deno, ...args] = command.replace("npx --yes deno@2", "deno")
    .match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
  assertEquals(deno, "deno");
  return [Deno.execPath(), ...args];
}

Deno.test("README: each block of code runs", { timeout }, async () => {
  const files = ["socket_preview.ts", "tests/from_python_test.ts"];
  files.push("tests/peers/short_version.ts");
  const sources = (await Promise.all(files.map(readProject))).map(flatten);
  const blocks = blocksOf("ts");
  assert(blocks.length >= 5);
  for (const block of blocks) {
    assert(sources.some((source) => source.includes(flatten(block))), block);
  }
});

Deno.test("README: the table from Python runs", { timeout }, async () => {
  const source = await readProject("tests/from_python_test.ts");
  const rows = rowsOf("Python").map((row) => row.replaceAll("`", ""));
  const pythonSides = rows.map((row) => row.split("|")[1]!.trim());
  for (const [, comment] of source.matchAll(/^ *\/\/ (.*)$/gm)) {
    assert(pythonSides.includes(comment!), `the table lacks ${comment}`);
  }
  // Only the last row is elsewhere, at the end of the script.
  assertMatch(
    rows.pop()!,
    /^\| sthread.daemon = True +\| Deno.exit\(\) at the /,
  );
  for (const row of rows) {
    const [, python, code] = row.split("|");
    const below = flatten(`// ${python}\n${code}`);
    const isRun = (end: string) => flatten(source).includes(below + end);
    assert([";", "return;"].some(isRun), row);
  }
});

Deno.test("README: each row of its faults is tried", { timeout }, async () => {
  const source = await readProject("tests/readme_test.ts");
  assertMatch(readme, /^\| Clients +\| short +\| script +\| server +\|$/m);
  const rows = rowsOf("Clients");
  for (const row of rows) {
    const name = `"README: ${row.split("|")[1]!.trim()}"`;
    assert(source.includes(`Deno.test(${name},`), `no test ${name}`);
  }
});

Deno.test("README: the files that it names exist", { timeout }, async () => {
  for (const [, file] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    assert((await Deno.stat(new URL(file!, root))).isFile, file);
  }
});

Deno.test("Each command has one permission", { timeout }, async () => {
  const { tasks } = JSON.parse(await readProject("deno.json"));
  const flag = "--allow-net=localhost:50008";
  for (const task of ["start", "server", "client"]) {
    const name = task === "start" ? "socket_preview" : task;
    const source = await readProject(`${name}.ts`);
    const command = `deno run ${flag} ${name}.ts`;
    assert(source.startsWith(`#!/usr/bin/env -S deno run ${flag}\n`), name);
    const [header] = source.match(/(?<=^ \* {5})deno run .*\.ts/m)!;
    const inTask = tasks[task].command.replace("$(deno task -q std) ", "");
    assertEquals([header, inTask], [command, command]);
  }
  for (const [, args] of readme.matchAll(/deno(?:@2)? run (.*?)[`\n]/g)) {
    const [, file] = args!.split(`${flag} `);
    assert(file && (await Deno.stat(new URL(file, root))).isFile, args);
  }
  for (const [, task] of readme.matchAll(/deno(?:@2)? task (?:-q )?(\w+)/g)) {
    assert(task! in tasks, task);
  }
});

Deno.test("README: its commands print five lines", { timeout }, async () => {
  assertEquals(blocksOf("text")[0], fiveLines);
  const commands = blocksOf("sh").join("").trim().split("\n");
  const testCommand = "npx --yes deno@2 task test";
  const ci = (await readProject(".ci/run")).split("\n");
  assert(ci.includes(testCommand) && commands.includes(testCommand));
  assert(ci.includes("npx --yes deno@2 task check"));
  for (const command of commands) {
    if (command === testCommand) continue; // it is what runs this test
    const { code, stdout, stderr } = await run(typed(command));
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

Deno.test("README: the client prints what it says", { timeout }, async () => {
  const [block] = blocksOf("console");
  const [, command, output] = /^\$ (.*)\n([^]*)$/.exec(block!)!;
  await using server = new Program(typed("deno task -q server"));
  await server.printed("listening");
  const { code, stdout } = await run(typed(command!));
  assertEquals([code, sortLines(stdout)], [0, sortLines(output!)]);
});

/** The servers of the table's columns, each with what it prints at its start. */
const servers = [
  ["tests/peers/short_version.ts", ...fiveLines.trim().split("\n")],
  ["tests/peers/script_server.ts", "listening"],
  ["server.ts", "server listening on localhost:50008 ("],
] as const;

/** Checks that each server does what its cell says, after a fault. */
async function checkRow(
  { name }: Deno.TestContext,
  fault: (clients: DisposableStack, server: Program) => Promise<unknown>,
  command = (file: string) => deno(file),
) {
  const rows = rowsOf("Clients").map((row) => row.split(/ *\| */));
  const [, , ...cells] = rows.find(([, row]) => `README: ${row}` === name)!;
  for (const [file, ...firstLines] of servers) {
    const cell = cells.shift();
    await using server = new Program(command(file));
    await server.printed(...firstLines);
    using clients = new DisposableStack(); // those that send nothing
    await fault(clients, server);
    if (cell === "crashes") {
      assertEquals((await server.end()).code, 1);
      continue;
    }
    const answer = exchange("hello");
    if (cell === "blocked") {
      assertEquals(await Promise.race([answer, sleep(1500)]), undefined);
      clients.dispose();
    } else assertEquals(cell, "answers");
    assertEquals(await answer, "server got: [b'hello']");
  }
}

Deno.test("README: One sends nothing", { timeout }, async (test) => {
  await checkRow(test, async (clients) => clients.use(await connect()));
});

Deno.test("README: One resets", { timeout }, async (test) => {
  const lines: string[] = [];
  await checkRow(test, async (_clients, server) => {
    await reset(untilAccepted);
    await server.printed("(os error ");
    const address = /(127\.0\.0\.1|\[::1\]):\d+/;
    lines.push(server.stderr.replace(address, "127.0.0.1:54834"));
  });
  if (Deno.build.os !== "linux") return; // others word the error differently
  const [short, , server] = lines.map((text) => text.split("\n")[0]!);
  const quoted = readme.matchAll(/(?<=`)[^`]*\(os error 104\)(?=`)/g);
  assertEquals(Array.from(quoted, ([line]) => line), [short!, server!]);
});

Deno.test("README: One resets before accept", {
  timeout,
  ignore: Deno.build.os === "windows", // it has no SIGSTOP
}, async (test) => {
  await checkRow(test, async (_clients, server) => {
    server.kill("SIGSTOP");
    await reset();
    server.kill("SIGCONT");
    const isLinux = Deno.build.os === "linux";
    if (isLinux) await server.printed("(os error 107)"); // by accept
  });
});

Deno.test("README: Many send nothing", {
  timeout,
  ignore: Deno.build.os === "windows", // it has no ulimit
}, async (test) => {
  // Half a second after the start, Deno opens two file descriptors for signals,
  // and crashes if it cannot. Only server.ts sees to that itself.
  const early = preload('Deno.addSignalListener("SIGUSR2", () => {})');
  const starved = (file: string) => {
    const flags = file === "server.ts" ? [] : [early];
    return shell(deno(...flags, file), "ulimit -n 64");
  };
  await checkRow(test, (clients) => connectSilent(clients, 100), starved);
});
