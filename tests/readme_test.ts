/**
 * The promises of the README: that its code is code that runs, and that its
 * commands print what it says. Its table of faults is in `faults_test.ts`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  exchange,
  fiveLines,
  readProject,
  root,
  sortLines,
} from "./helpers.ts";
import { run, start } from "./program.ts";
import { test } from "./setup.ts";

/** The blocks of the README in a language. */
async function blocksOf(language: string): Promise<string[]> {
  const pattern = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms");
  const matches = (await readProject("README.md")).matchAll(pattern);
  return Array.from(matches, ([, block]) => block!);
}

/** Code without what the formatter changes when it breaks lines. */
function flatten(code: string): string {
  return code.replaceAll(/\s/g, "").replaceAll(/,(?=[)}\]])/g, "");
}

test("README: all its code is in files that run", async () => {
  const files = ["socket_preview.ts", "tests/from_python_test.ts"];
  files.push("tests/peers/short_version.ts");
  const sources = (await Promise.all(files.map(readProject))).map(flatten);
  const blocks = await blocksOf("ts");
  assert(blocks.length >= 5);
  const table = (await readProject("README.md")).split("| Python ")[1]!;
  const rows = table.split("\n\n")[0]!.split("\n").slice(2);
  assert(rows.length >= 12);
  for (const block of blocks) {
    assert(sources.some((source) => source.includes(flatten(block))), block);
  }
  for (const row of rows) {
    const [, python, cell] = row.replaceAll("`", "").split("|");
    const below = flatten(`// ${python}\n${cell!.split(", and ")[0]}`);
    // Only Deno.exit() comes before its Python side.
    const before = flatten(`${cell!.split(" at the")[0]}; // ${python}`);
    const isThere = (source: string) =>
      source.includes(below) || source.includes(before);
    assert(sources.some(isThere), row);
  }
});

test("README: the files that it names exist", async () => {
  const readme = await readProject("README.md");
  for (const [, file] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    assert((await Deno.stat(new URL(file!, root))).isFile, file);
  }
});

/** A command as a reader types it. None of them needs a shell. */
function typed(command: string): string[] {
  const [deno, ...args] = command.replace("npx --yes deno@2", "deno")
    .match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
  assertEquals(deno, "deno");
  return [Deno.execPath(), ...args];
}

test("README: the commands to run it print the five lines", async () => {
  assertEquals((await blocksOf("text"))[0], fiveLines);
  const commands = (await blocksOf("sh")).join("").trim().split("\n");
  const testCommand = "npx --yes deno@2 task test";
  assert((await readProject(".ci/run")).includes(testCommand));
  assert(commands.includes(testCommand));
  for (const command of commands) {
    if (command === testCommand) continue; // it is what runs this test
    const { code, stdout, stderr } = await run(typed(command));
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

test("README: a reset crashes the short version, but not server.ts", async () => {
  const [, steps] = (await readProject("README.md")).split("\n1. ");
  const code = Array.from(steps!.matchAll(/`([^`]+)`/g), ([, code]) => code!);
  const [shortVersion, reset, server] = code.filter((text) =>
    /^deno /.test(text)
  );
  const [crash, line] = code.filter((text) => text.includes("os error"));
  /** The system's words, and the client's port, are not the same everywhere. */
  const pattern = (text: string) =>
    text.replaceAll(/[()]/g, "\\$&").replace(/127.0.0.1:\d+/, ".+:\\d+")
      .replace(/: [^:]*$/, ": .*");
  {
    await using program = start(typed(shortVersion!));
    await program.printed(...fiveLines.trim().split("\n"));
    await run(typed(reset!));
    const { stderr } = await program.end();
    assertMatch(stderr, new RegExp(`^${pattern(crash!)}\n`));
  }
  await using program = start(typed(server!));
  await program.printed("server listening on localhost:50008");
  await run(typed(reset!));
  await program.printed("server.ts: ");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  const { stdout, stderr } = await program.stop();
  const address = String.raw`(127\.0\.0\.1|\[::1\]):50008`;
  const listening = `server listening on localhost:50008 \\(${address}\\)`;
  assertMatch(stdout, new RegExp(`^${listening}\n$`));
  assertMatch(stderr, new RegExp(`^${pattern(line!)}\n$`));
});

test("README: the client prints what it says", async () => {
  const [, command, output] = /^\$ (.*)\n([^]*)$/.exec(
    (await blocksOf("console"))[0]!,
  )!;
  await using server = start(typed("deno task -q server"));
  await server.printed("listening");
  const { code, stdout } = await run(typed(command!));
  assertEquals([code, sortLines(stdout)], [0, sortLines(output!)]);
});
