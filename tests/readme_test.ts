/**
 * The promises of the README: that its commands print what it says. What kills
 * the shortest port is in `waiting_test.ts`.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import {
  fiveLines,
  missing,
  Peer,
  readProject,
  root,
  runShell,
  sortLines,
  startServer,
  test,
  testWith,
  whyNot,
} from "./helpers.ts";
import { blockAfter, readme, startCommands, startShortest } from "./readme.ts";

test("the README has at most 200 lines, in the order of what people need", () => {
  const lines = readme.trimEnd().split("\n");
  assert(lines.length <= 200, `${lines.length} lines`);
  assertEquals(lines.filter((line) => line.startsWith("#")), [
    "# Socket preview, in Deno",
    "## Run it",
    "## The shortest port",
    "## What kills it",
    "## Line by line",
    "## Two programs",
    "## When that is not enough",
    "## Measured",
  ]);
});

test("the README names files and tasks that there are", async () => {
  for (const [, file] of readme.matchAll(/\]\((?!https?:)(.+?)\)/g)) {
    assert((await Deno.stat(new URL(file, root))).isFile, file);
  }
  const { tasks } = JSON.parse(await readProject("deno.json"));
  const named = [...readme.matchAll(/deno(?:@2)? task (?:-q )?(\w+)/g)];
  assert(named.length > 0);
  for (const [, name] of named) assert(name in tasks, name);
});

testWith("sh", "the first command prints the five lines", async () => {
  const [command] = blockAfter("## Run it").split("\n");
  const { code, stdout } = await startCommands(command).end();
  assertEquals(sortLines(stdout), fiveLines);
  assertEquals(code, 0);
  assertEquals(sortLines(blockAfter("five lines, in any order")), fiveLines);
});

testWith(
  "sh",
  "the shortest port prints the five lines, and listens",
  async () => {
    await using shortest = startShortest();
    for (const line of fiveLines.trimEnd().split("\n")) {
      await shortest.printed(line);
    }
    assertEquals(sortLines(shortest.stdout), fiveLines);
  },
);

testWith(
  "sh",
  "the page and the shortest port run, check and lint alone in an empty folder",
  async () => {
    const { code, stdout, stderr } = await runShell(
      `folder=$(mktemp -d) && trap 'rm -r "$folder"' EXIT
      trap 'exit 1' HUP INT TERM
      cp socket_preview.ts "$folder" && cd "$folder" &&
      printf '%s' "$1" >shortest.ts &&
      "$0" run --no-config --no-remote --no-npm --no-prompt \\
        --allow-net=localhost:50008 socket_preview.ts &&
      "$0" check -q *.ts && "$0" lint -q`,
      blockAfter("## The shortest port"),
    );
    assertEquals(stderr, "");
    assertEquals(sortLines(stdout), fiveLines);
    assertEquals(code, 0);
  },
);

/** What is typed, and what it prints. */
const console = permittedBlock().split(/^\$ /m).slice(1).map((part) => {
  const [, command, output] = /^(.*)\n([^]*)$/.exec(part)!;
  return { command, output };
});

function permittedBlock(): string {
  return readme && blockAfter("## Two programs");
}

for (const { command, output } of console) {
  const needed = /\bnc\b/.test(command)
    ? await whyNot("sh", "nc -h 2>&1")
    : command.startsWith("python3")
    ? missing.python3
    : missing.sh;
  const name = `the README shows what this prints: ${command.slice(0, 40)}`;
  const fn = async () => {
    const [program, ...args] = command.split(" ");
    if (args.at(-1) === "&") {
      assertEquals(program, "deno");
      await using server = new Peer(Deno.execPath(), ...args.slice(0, -1));
      await server.printed(output);
      assertEquals(server.stdout, output);
      return;
    }
    await using _server = await startServer();
    const { stdout } = await startCommands(command).end();
    assertEquals(sortLines(stdout).trimEnd(), sortLines(output).trimEnd());
  };
  if (needed) Deno.test.ignore(`${name} (${needed})`, fn);
  else test(name, fn);
}
