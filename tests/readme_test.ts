/**
 * The promises of the README: that its code is code that runs, and that its
 * commands print what it says. Its two tables of faults are in `faults_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { send } from "../socket_preview.ts";
import { messages, pair } from "./from_python.ts";
import {
  encode,
  fiveLines,
  readAll,
  readProject,
  root,
  sleep,
  sortLines,
  until,
} from "./helpers.ts";
import { denoRun, Program } from "./program.ts";
import { canRun, test } from "./register.ts";

const readme = canRun ? await readProject("README.md") : "";

/** The blocks of a part of the README, each with its language. */
function blocksOf(text: string): { language: string; block: string }[] {
  const matches = text.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  return Array.from(matches, ([, language, block]) => ({
    language: language!,
    block: block!,
  }));
}

/** A text without indentation and line breaks, to find code wherever it is. */
function flatten(code: string): string {
  return code.replaceAll(/\s+/g, " ").trim();
}

/** The sources of the code that the README shows, all of which the tests run. */
async function readSources(): Promise<string[]> {
  const files = ["socket_preview.ts", "tests/from_python.ts"];
  files.push("tests/peers/short_version.ts", "tests/readme_test.ts");
  return (await Promise.all(files.map(readProject))).map(flatten);
}

test("README: every block of code is in a file that runs", async () => {
  const sources = await readSources();
  const blocks = blocksOf(readme).filter(({ language }) => language === "ts");
  assert(blocks.length >= 5);
  for (const { block } of blocks) {
    const code = flatten(block);
    assert(sources.some((source) => source.includes(code)), block);
  }
  const begin = sources[0]!.indexOf("/** * Listens");
  assertEquals(flatten(blocks[0]!.block), sources[0]!.slice(begin));
});

test("README: every cell of Deno code is in a file that runs", async () => {
  const [, section] = readme.split("## From Python to Deno\n");
  const rows = section!.match(/^\|.*\|$/gm)!.slice(2);
  assert(rows.length >= 20);
  const sources = await readSources();
  for (const row of rows) {
    for (const [, code] of row.split("|")[2]!.matchAll(/`([^`]+)`/g)) {
      assert(sources.some((source) => source.includes(code!)), code);
    }
  }
  const args = [...denoRun("-A"), "tests/from_python.ts"];
  const outcome = await new Program(Deno.execPath(), ...args).end();
  assertEquals(outcome, { code: 0, stdout: "ok\n", stderr: "" });
});

test("README: the files and the tasks that it names exist", async () => {
  for (const [, file] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    assert((await Deno.stat(new URL(file!, root))).isFile, file);
  }
  const { tasks } = JSON.parse(await readProject("deno.json"));
  const named = [...readme.matchAll(/deno(?:@2)? task (?:-q )?(\w+)/g)];
  assert(named.length > 0);
  for (const [, name] of named) assert(name! in tasks, name);
});

/** Starts a command as a reader types it. None of them needs a shell. */
function type(command: string): Program {
  const [deno, ...args] = command.replace("npx --yes deno@2", "deno")
    .match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
  assertEquals(deno, "deno");
  return new Program(Deno.execPath(), ...args);
}

test("README: the commands to run it print the five lines", async () => {
  assertEquals(blocksOf(readme)[0]!.block, fiveLines);
  const commands = blocksOf(readme).filter(({ language }) => language === "sh")
    .flatMap(({ block }) => block.trim().split("\n"));
  const testCommand = "npx --yes deno@2 task test";
  assert((await readProject(".ci/run")).includes(testCommand));
  assert(readme.split("\n").slice(0, 40).includes(testCommand));
  for (const command of commands) {
    if (command === testCommand) continue; // it is what runs this test
    const { code, stdout, stderr } = await type(command).end();
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

/** Takes out what is not the same everywhere: addresses, and the system's words. */
function normalize(text: string): string {
  const lines = text.replaceAll("[::1]", "127.0.0.1")
    .replaceAll(/127\.0\.0\.1:(?!50008)\d+/g, "127.0.0.1:port")
    .replaceAll(/: [^:\n]* \(os error \d+\)/g, ": (os error)");
  return sortLines(lines);
}

test("README: the commands print what it says", async () => {
  await using programs = new AsyncDisposableStack();
  let lastPrinter: Program | undefined; // the last one that has printed something
  for (const { language, block } of blocksOf(readme).slice(1)) {
    if (language === "console") {
      // A command and all that it prints. It may keep running.
      const [, command, output] = /^\$ (.*)\n([^]*)$/.exec(block)!;
      const program = programs.use(type(command!));
      const printed = () => normalize(program.stdout + program.stderr);
      await until(() => printed() === normalize(output!), block)
        .catch(() => assertEquals(printed(), normalize(output!)));
      if (output) lastPrinter = program;
      else assertEquals((await program.end()).stderr, "");
    } else if (language === "text") {
      // A line that the last program that has printed something prints next.
      await lastPrinter!.printed("(os error");
      const printed = normalize(lastPrinter!.stdout + lastPrinter!.stderr);
      assert(printed.includes(normalize(block)), printed);
    }
  }
});

test("README: messages arrive one by one, however split", async () => {
  const cases: [pieces: string[], expected: string[]][] = [
    [["one m", "essag", "e\n"], ["one message"]],
    [["a\nb\n\nc\n"], ["a", "b", "", "c"]],
    [["Gr\xc3", "\xbc\xc3\x9fe\nx"], ["Grüße", "x"]],
    [["a\r\nb"], ["a\r", "b"]],
    [[], []],
  ];
  for (const [pieces, expected] of cases) {
    const [client, connection] = await pair();
    const received = Array.fromAsync(messages(connection));
    for (const piece of pieces) {
      await client.write(Uint8Array.from(piece, (c) => c.charCodeAt(0)));
      await sleep(50);
    }
    await client.closeWrite();
    assertEquals(await received, expected);
    client.close();
    connection.close();
  }
});

/** Has a server take a client that sends two lines; returns what it replies. */
async function receiveTwoLines(serve: (end: Deno.Conn) => Promise<void>) {
  const [client, connection] = await pair();
  await client.write(encode("one\ntwo\n"));
  await client.closeWrite();
  await serve(connection);
  await send(connection, "bye\n");
  connection.close();
  const replies = await readAll(client);
  client.close();
  return replies;
}

test("README: messages can be answered, even after the last one", async () => {
  const replies = await receiveTwoLines(async (connection) => {
    for await (const message of messages(connection)) {
      await send(connection, `got ${message}\n`);
    }
  });
  assertEquals(replies, "got one\ngot two\nbye\n");
});

test("README: messages can be answered after a break", async () => {
  const replies = await receiveTwoLines(async (connection) => {
    for await (const message of messages(connection)) {
      assertEquals(message, "one");
      break;
    }
  });
  assertEquals(replies, "bye\n");
});
