// Compares the servers with each other, and the script with an empty one.

import { exchange } from "../client.ts";
import { connect } from "./helpers.ts";
import { deno, Program, run, succeeds } from "./program.ts";

const servers = {
  "server.ts": deno("server.ts"),
  "the script": deno("tests/peers/script_server.ts"),
  "short_version.ts": deno("tests/peers/short_version.ts"),
  "Python": ["python3", "tests/peers/python_peer.py", "server"],
};
const scripts = {
  "an empty script": deno("data:text/javascript,"),
  "the script": deno("socket_preview.ts"),
};
const hasPython = await succeeds("python3 --version");

let running: string[] | undefined;
let server: Program | undefined;

/** Runs this server, and no other one. */
async function switchTo(command?: string[]) {
  if (running === command) return;
  running = command;
  await server?.[Symbol.asyncDispose]();
  server = command && new Program(command);
  if (command) (await connect()).close(); // it is ready
}

for (const count of [1, 50]) {
  for (const [name, command] of Object.entries(servers)) {
    Deno.bench(name, {
      group: `answers, ${count} at a time`,
      baseline: name === "server.ts",
      ignore: name === "Python" && !hasPython,
    }, async (bench) => {
      await switchTo(command);
      bench.start();
      await Promise.all(Array.from({ length: count }, () => exchange("hello")));
      bench.end();
    });
  }
}

for (const [name, command] of Object.entries(scripts)) {
  Deno.bench(name, { group: "from start to finish" }, async (bench) => {
    await switchTo(undefined);
    bench.start();
    await run(command);
    bench.end();
  });
}
