import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  ask,
  connect,
  connectSilent,
  root,
  sleep,
  timeout,
} from "./helpers.ts";
import { reset } from "./peers/reset.ts";
import { deno, preload, Program, run, shell } from "./program.ts";
import standIns from "./std/import_map.json" with { type: "json" };

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
const pages = { "": readme, "tests/": await readProject("tests/README.md") };
const { tasks, imports } = JSON.parse(await readProject("deno.json"));
const flag = "--allow-net=localhost:50008";
const programs = ["server.ts", "client.ts", "socket_preview.ts"];
const fromPython = "tests/from_python_test.ts";
const shortVersion = "tests/peers/short_version.ts";

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
function compact(code: string): string {
  return code.replaceAll(/(\/\/.*)\n/g, "$1;").replaceAll(/\s+/g, " ")
    .replaceAll(/ ?(\W) ?/g, "$1").replaceAll(/,(?=[)}\]])/g, "");
}

/** A command as a reader types it. None of them needs a shell. */
function typed(command: string): string[] {
  const [deno, ...args] = command.replace("npx --yes deno@2", "deno")
    .match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
  assertEquals(deno, "deno");
  return [Deno.execPath(), ...args];
}

Deno.test("README: each block of code runs", { timeout }, async () => {
  const files = ["socket_preview.ts", fromPython, shortVersion];
  const sources = (await Promise.all(files.map(readProject))).map(compact);
  assert(!/^```(?!(text|sh|console|ts)?$)/m.test(readme), "a block's language");
  for (const block of blocksOf("ts")) {
    const isThere = sources.some((source) => source.includes(compact(block)));
    assert(isThere, `none of ${files} contains this block:\n${block}`);
    assertMatch(block, /^\S[^]*\n(\S.*;.*|\})\n$/); // no fragment
  }
});

Deno.test("README: the table from Python runs", { timeout }, async () => {
  const statements = new Map<string, string>();
  const marks = /\/\/ Python: (.*)\n([^]*?;)\n/g;
  for (
    const [, python, code] of (await readProject(fromPython)).matchAll(marks)
  ) {
    statements.set(python!, compact(code!.trim()));
  }
  const rows = rowsOf("Python").map((row) => row.replaceAll("`", ""));
  // Only the last row is elsewhere, at the end of the script.
  const last = /^\| sthread.daemon = True +\| Deno.exit\(\), once /;
  assertMatch(rows.pop()!, last);
  for (const row of rows) {
    const [python, code] = row.split("|").slice(1).map((cell) => cell.trim());
    const statement = statements.get(python!);
    assert(statement, `${fromPython} lacks: // Python: ${python}`);
    // The table may leave out `using x =`, so compare what follows a `=`.
    const isRun = `=${statement}`.endsWith(compact(`= ${code};`));
    assert(isRun, `${fromPython} lacks, below "// Python: ${python}": ${code}`);
    statements.delete(python!);
  }
  assertEquals([...statements.keys()], [], "rows that the table lacks");
});

Deno.test("Links, tasks and ports of the pages are right", async () => {
  for (const [folder, page] of Object.entries(pages)) {
    const base = new URL(folder, root);
    for (const [, text, file] of page.matchAll(/\[([^\]]+)\]\(([^):]+)\)/g)) {
      assert(file!.endsWith(text!), `${text} is a link to ${file}`);
      await Deno.stat(new URL(file!, base));
    }
    for (const [, task] of page.matchAll(/deno(?:@2)? task (?:-q )?(\w+)/g)) {
      assert(task! in tasks, `no such task: ${task}`);
    }
    const numbers = page.matchAll(/(?<=deno@)\d+|(?<=:|Port )\d{2,}/g);
    for (const [number] of numbers) {
      assert(["2", "50008", "54834"].includes(number), `${number}, in a page`);
    }
  }
});

Deno.test("Each command has one permission", { timeout }, async () => {
  const start = `deno run ${flag}`;
  for (const file of programs) {
    const source = await readProject(file);
    assert(source.startsWith(`#!/usr/bin/env -S ${start}\n`), file);
    const { command } = tasks[file.replace(".ts", "")] ?? tasks.start;
    assertEquals(
      command.replace(" $(deno task -q std)", ""),
      `${start} ${file}`,
    );
  }
  const sources = [...programs, "tests/peers/reset.ts", shortVersion];
  const texts = await Promise.all(sources.map(readProject));
  const headers = texts.map((text) => text.split("*/")[0]!);
  const all = [...headers, ...Object.values(pages)].join("\n");
  const files = new Set<string>();
  for (const [command, file] of all.matchAll(/deno\S* run .*?(\S+\.ts)/g)) {
    const expected = `${start} ${file}`;
    assertEquals(command.replace("deno@2", "deno"), expected);
    files.add(file!);
  }
  assertEquals([...files].sort(), sources.sort());
});

Deno.test("CI and imports are complete", { timeout }, async () => {
  const ci = (await readProject(".ci/run")).split("\n");
  const npx = "npx --yes deno@2 task";
  for (const line of ["set -euo pipefail", `${npx} check`, `${npx} test`]) {
    assert(ci.includes(line), `.ci/run lacks: ${line}`);
  }
  for (const file of [".ci/run", ...programs]) {
    const { mode } = await Deno.stat(new URL(file, root));
    const isExecutable = (mode! & 0o100) !== 0; // which means nothing on Windows
    assert(isWindows || isExecutable, `${file} is not executable`);
  }
  const names = Object.keys(imports);
  const paths = Object.keys(standIns.imports);
  assertEquals(paths, [names[0], `${names[1]}/parse-args`]);
  for (const name of names) {
    assertMatch(imports[name], RegExp(`^jsr:${name}@1`));
  }
});

Deno.test("README: its commands print five lines", { timeout }, async () => {
  assertEquals(blocksOf("text")[0], fiveLines);
  const commands = blocksOf("sh").join("").trim().split("\n");
  for (const command of commands) {
    if (command.endsWith("task test")) continue; // it is what runs this test
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
  [shortVersion, ...fiveLines.trim().split("\n")],
  ["tests/peers/script_server.ts", "listening"],
  ["server.ts", "server listening on localhost:50008 ("],
] as const;

const isWindows = Deno.build.os === "windows"; // it has no ulimit and no SIGSTOP
const isLinux = Deno.build.os === "linux"; // others word errors differently

/** What the clients of each row do. */
const faults = {
  async "One sends nothing"(clients: DisposableStack) {
    clients.use(await connect());
  },
  async "One resets"(_clients: DisposableStack, server: Program) {
    const { code } = await run(deno("tests/peers/reset.ts"));
    assertEquals(code, 0);
    await server.printed("(os error ");
    const [line] = server.stderr.split("\n");
    const quoted = line!.replace(/(?<=ts: ).*:\d+/, "127.0.0.1:54834");
    const isThere = readme.includes(`\`${quoted}\``);
    const isScript = quoted.startsWith("ConnectionReset: ");
    if (isLinux) assert(isThere || isScript, `README.md lacks: ${quoted}`);
  },
  async "One resets before accept"(_clients: DisposableStack, server: Program) {
    server.kill("SIGSTOP");
    await reset();
    server.kill("SIGCONT");
    if (isLinux) await server.printed("(os error 107)"); // by accept
  },
  async "Many send nothing"(clients: DisposableStack) {
    await connectSilent(clients, 100);
  },
};

const signalListener = preload('Deno.addSignalListener("SIGWINCH", () => {})');
const rows = rowsOf("Clients").map((row) => row.split(/ *\| */));

Deno.test("README: each row of its faults is tried", () => {
  assertMatch(readme, /Clients +\| short_version.ts +\| the script +\| server/);
  assertEquals(rows.map(([, name]) => name), Object.keys(faults));
});

for (const [name, fault] of Object.entries(faults)) {
  const ignore = isWindows && /accept|Many/.test(name);
  Deno.test(`README: ${name}`, { timeout, ignore }, async () => {
    const [, , ...cells] = rows.find(([, row]) => row === name)!;
    for (const [file, ...firstLines] of servers) {
      const cell = cells.shift();
      // Soon after the start, only server.ts survives so many silent clients.
      const flags = file === "server.ts" ? [] : [signalListener];
      const limited = shell("ulimit -n 64", deno(...flags, file));
      await using server = new Program(isWindows ? deno(file) : limited);
      await server.printed(...firstLines);
      using clients = new DisposableStack(); // those that send nothing
      await fault(clients, server);
      if (cell === "crashes") {
        assertEquals((await server.end()).code, 1);
        continue;
      }
      const answer = ask("hello");
      if (cell === "blocked") {
        assertEquals(await Promise.race([answer, sleep(1500)]), undefined);
        clients.dispose();
      } else assertEquals(cell, "answers");
      assertEquals(await answer, "server got: [b'hello']");
    }
  });
}
