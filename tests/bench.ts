/**
 * Measures `server.ts` and `socket_preview.ts` beside what people would use
 * instead. Every figure is taken in this run.
 *
 * @module
 */

import { server } from "../socket_preview.ts";
import {
  connect,
  denoRun,
  exchange,
  listen,
  missing,
  Peer,
  python,
  sleep,
  startProgram,
  startPython,
  startShell,
  whyNot,
} from "./helpers.ts";
import { applyLoad, residentMemory } from "./measure.ts";
import type { Load } from "./peers/load.ts";

/** A server to compare. */
interface Server {
  name: string;
  command: string[];
  rounds: number;
}

const noNode = await whyNot("sh", "node -e ''");
const servers: Server[] = [{
  name: "server.ts",
  command: [Deno.execPath(), ...denoRun(), "server.ts"],
  rounds: 5,
}];
if (!noNode) {
  servers.push({
    name: "node:net",
    command: ["node", "tests/peers/node_server.mjs"],
    rounds: 5,
  });
}
if (python) {
  servers.push({
    name: "Python original",
    command: [python, "tests/peers/original.py", "server"],
    rounds: 1, // enough to show how it stalls
  });
}

console.log(
  `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores`,
);
if (noNode) console.log(`without node:net: ${noNode}`);
if (missing.python3) console.log(`without Python: ${missing.python3}`);
await measureLoad(1, 2000);
await measureLoad(50, 5000);
await measureLoad(500, 5000);
if (!missing.python3) await measureStorm(5000, 1024);
await measureStart();
await measureMemory();

/**
 * Prints how many answers a second each server gives, in turn. All have the same
 * number of exchanges to make, and the clock stops at the last answer.
 */
async function measureLoad(clients: number, exchanges: number) {
  const loads = new Map(servers.map(({ name }) => [name, [] as Load[]]));
  for (let round = 0; round < 5; round++) {
    for (const { name, command, rounds } of servers) {
      if (round >= rounds) continue;
      await using peer = startShell('exec "$@"', ...command);
      await peer.printed("listening");
      await applyLoad(1, 500); // to warm it up
      loads.get(name)!.push(await applyLoad(clients, exchanges));
    }
  }
  const number = clients === 1 ? "1 client" : `${clients} clients`;
  console.log(`\n${number} at a time, ${exchanges} whole exchanges:`);
  const ours = medianRate(loads.get("server.ts")!);
  for (const [name, list] of loads) {
    const rate = medianRate(list);
    const slowest = Math.max(...list.map((load) => load.slowest));
    const lost = list.reduce((sum, load) => sum + load.lost, 0);
    print(name, [
      `${rate.toFixed(0)} answers/s`,
      `slowest ${slowest.toFixed(0)} ms`,
      `${lost} lost`,
      `server.ts is ${(ours / rate).toFixed(2)}x`,
    ]);
  }
}

function medianRate(loads: Load[]): number {
  return median(loads.map((load) => load.answers / load.elapsed * 1000));
}

/**
 * Prints how long proper clients wait, one after the other for 6 seconds, while
 * others, all at once, connect and stay silent.
 */
async function measureStorm(silent: number, descriptors: number) {
  console.log(`\n${silent} silent clients at ${descriptors} descriptors:`);
  for (const { name, command } of servers) {
    const script = `ulimit -n ${descriptors}; exec "$@"`;
    await using server = startShell(script, ...command);
    await server.printed("listening");
    await sleep(1000); // half a second after the start, Deno opens two more
    await using storm = startPython("faults.py", "silent", `${silent}`);
    await storm.printed("silent");
    const begin = performance.now();
    let answers = 0, lost = 0, slowest = 0;
    while (performance.now() - begin < 6000) {
      const start = performance.now();
      const reply = await exchange("hello").catch(() => "");
      if (reply === "server got: [b'hello']") answers++;
      else lost++;
      slowest = Math.max(slowest, performance.now() - start);
      await sleep(10);
    }
    print(name, [
      `${answers} answers`,
      `slowest ${slowest.toFixed(0)} ms`,
      `${lost} lost`,
    ]);
  }
}

/** Prints how long whole processes take, from start to finish. */
async function measureStart() {
  const programs: [string, () => Peer][] = [
    ["empty script", () => startProgram("tests/peers/empty.ts")],
    ["socket_preview.ts", () => startProgram("socket_preview.ts")],
  ];
  if (!missing.python3) {
    programs.push(["Python original", () => startPython("original.py")]);
  }
  const times = programs.map(() => [] as number[]);
  for (let round = 0; round < 21; round++) {
    for (const [index, [, start]] of programs.entries()) {
      const begin = performance.now();
      const { code, stderr } = await start().end();
      if (code !== 0) throw new Error(stderr);
      times[index].push(performance.now() - begin);
    }
  }
  console.log("\nstart to finish, medians of 21 runs in turn:");
  const floor = median(times[0]);
  for (const [index, [name]] of programs.entries()) {
    const time = median(times[index]);
    print(name, [`${time.toFixed(1)} ms`, `${(time / floor).toFixed(2)}x`]);
  }
}

/** Prints what a silent client costs the server. */
async function measureMemory() {
  const clients = 5000;
  await using peer = startProgram("server.ts");
  await peer.printed("listening");
  const atStart = await residentMemory(peer.pid);
  const connections: Deno.Conn[] = [];
  while (connections.length < clients) connections.push(await connect());
  await sleep(1000);
  const withClients = await residentMemory(peer.pid);
  for (const connection of connections) connection.close();
  console.log(`\nresident memory of server.ts, in KiB:`);
  print("at start", [`${atStart}`]);
  print(`${clients} silent clients`, [`${withClients}`]);
  print("for each of them", [((withClients - atStart) / clients).toFixed(1)]);
}

function print(name: string, figures: string[]) {
  console.log(
    `  ${name.padEnd(20)} ${figures.map((text) => text.padEnd(18)).join("")}`
      .trimEnd(),
  );
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

Deno.bench(
  "listen, five exchanges at once, close: all in this process",
  async () => {
    const listener = listen();
    const serving = server(listener);
    await Promise.all([0, 1, 2, 3, 4].map((i) => exchange(`client${i}`)));
    listener.close();
    await serving;
  },
);
