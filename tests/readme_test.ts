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
  sleep,
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
  const prose = readme.replaceAll(/^```.*?^```$/gms, "");
  assertEquals(prose.match(/^#.*/gm), [
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

test("the README quotes code that the page has", async () => {
  const page = await readProject("socket_preview.ts");
  const rows = readme.matchAll(/^\|[^|]+\|([^|]+)\|[^|]+\|$/gm);
  const answers = readme.matchAll(/(?:answer:|[Hh]ence)(.*?)\.\s/gs);
  const columns = [...rows, ...answers].map(([, column]) => column).join();
  const quoted = [...columns.matchAll(/`([^`]+)`/g)].map(([, code]) => code);
  assert(quoted.length > 20, `only ${quoted}`);
  for (const code of quoted.filter((code) => code !== "socket_preview.ts")) {
    const [start, end = ""] = code.split("…");
    const place = page.indexOf(start);
    assert(place >= 0 && page.indexOf(end, place) >= 0, code);
  }
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

testWith("python3", "the README shows four more faults", async () => {
  const page = await readProject("socket_preview.ts");
  const faults = blockAfter("**The rest.**").split(/^# /m).slice(1);
  const commands = faults.map((fault) => {
    const [, line, command] = /^(\w+).*\n(.*)\n$/.exec(fault)!;
    assert(page.includes(line), `the page has no ${line}`);
    return command;
  });
  const [noByte, ownPort, noReply, part] = commands;
  assertEquals(commands.length, 4);

  // Each program is a peer of its own, so that it ends with the tests.
  const [server, seconds, client] = noReply.split(/ & sleep (\d); /);
  await using _mute = startCommands(`exec ${server}`);
  const [itself, taken] = await Promise.all([
    printedBy(ownPort),
    printedBy(part),
    sleep(1000 * Number(seconds)),
  ]);
  assertEquals(itself, "b'hello'\n");
  assert(Number(taken) > 0 && Number(taken) < 1_000_000, taken);
  assertEquals(await printedBy(client), "client got: [b'']\n");

  await using _server = await startServer();
  await using waiting = startCommands(`exec ${noByte}`);
  const ended = waiting.end().then(() => "ended");
  assertEquals(await Promise.race([ended, sleep(500)]), undefined);
});

async function printedBy(command: string): Promise<string> {
  const { code, stdout, stderr } = await startCommands(`exec ${command}`).end();
  assertEquals([code, stderr], [0, ""]);
  return stdout;
}

/** What is typed, and what it prints: nothing if the README may not be read. */
const typed = (readme && blockAfter("## Two programs")).split(/^\$ /m).slice(1);

for (const part of typed) {
  const [, command, output] = /^(.*)\n([^]*)$/.exec(part)!;
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
