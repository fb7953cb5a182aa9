/**
 * Measures `server.ts` and `socket_preview.ts` beside what people would use
 * instead. Every figure is taken in this run.
 *
 * @module
 */

import {
  denoRun,
  exchange,
  Program,
  sleep,
  start,
  starve,
} from "../helpers.ts";
import { applyLoad, type Load } from "./load.ts";

/** What takes the arguments of a shell's `exec`, and how often it is measured. */
interface Server {
  name: string;
  command: string[];
  rounds: number;
}

const python = await findPython();
const deno = [Deno.execPath(), ...denoRun()];
const servers: Server[] = [
  { name: "server.ts", command: [...deno, "server.ts"], rounds: 5 },
];
if ((await shell("node -e ''").end()).code === 0) {
  const command = ["node", "tests/bench/node_server.mjs"];
  servers.push({ name: "node:net", command, rounds: 5 });
}
if (python) {
  const command = [python, "tests/peers/original.py", "server"];
  servers.push({ name: "Python original", command, rounds: 1 }); // it is slow
}

const { stdout: version } = await shell(`${python || ":"} -VV`).end();
console.log(
  `Deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores`,
);
console.log(python ? `${python}: ${version.trimEnd()}` : "without Python");
await measureLoad(1, 2000);
await measureLoad(50, 5000);
await measureLoad(500, 5000);
await measureStorm(5000, 1024);
await measureStart();

function shell(script: string, ...args: string[]): Program {
  return new Program("sh", "-c", script, ...args);
}

/** The Python that is there and starts fastest: `python3` may be slow to find it. */
async function findPython(): Promise<string> {
  const { stdout } = await shell(`which -a python3
    python3 -c 'import sys; print(sys.executable)'`).end();
  const times = new Map<number, string>();
  for (const path of new Set(stdout.split("\n").filter(Boolean))) {
    times.set(
      await medianTime(() => shell('exec "$0" -c pass', path), 5),
      path,
    );
  }
  return times.get(Math.min(...times.keys())) ?? "";
}

/** The median of the times that a program takes, in milliseconds. */
async function medianTime(
  start: () => Program,
  rounds: number,
): Promise<number> {
  const times: number[] = [];
  while (times.length < rounds) {
    const begin = performance.now();
    const { code, stderr } = await start().end();
    if (code !== 0) throw new Error(stderr);
    times.push(performance.now() - begin);
  }
  return median(times);
}

/**
 * Prints how many answers a second each server gives, in turn. All have the same
 * number of exchanges to make, and the clock stops at the last answer.
 */
async function measureLoad(clients: number, exchanges: number) {
  const loads = new Map(servers.map(({ name }) => [name, [] as Load[]]));
  for (let round = 0; round < 5; round++) {
    for (const { name, command, rounds } of servers) {
      if (round >= rounds) continue;
      await using server = shell('exec "$0" "$@"', ...command);
      await server.printed("listening");
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
    await using server = shell(
      `ulimit -n ${descriptors}; exec "$0" "$@"`,
      ...command,
    );
    await server.printed("listening");
    await sleep(1000); // half a second after the start, Deno opens two more
    const storm = starve(
      20_000,
      "run",
      "-A",
      "tests/peers/faults.ts",
      "silent",
      `${silent}`,
    );
    await using _ = storm;
    await storm.printed("silent");
    const begin = performance.now();
    const times: number[] = [];
    let lost = 0;
    while (performance.now() - begin < 6000) {
      const start = performance.now();
      const reply = await exchange("hello").catch(() => "");
      if (reply === "server got: [b'hello']") {
        times.push(performance.now() - start);
      } else lost++;
      await sleep(10);
    }
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)] ?? NaN;
    print(name, [
      `${times.length} answers`,
      `p99 ${p99.toFixed(0)} ms`,
      `slowest ${(times.at(-1) ?? NaN).toFixed(0)} ms`,
      `${lost} lost`,
    ]);
  }
}

/** Prints how long whole processes take, from start to finish. */
async function measureStart() {
  const programs: [string, () => Program][] = [
    ["empty script", () => start("tests/bench/empty.ts")],
    ["socket_preview.ts", () => start("socket_preview.ts")],
  ];
  if (python) {
    const run = (...args: string[]) => shell('exec "$0" "$@"', python, ...args);
    programs.push(["Python, -c pass", () => run("-c", "pass")]);
    programs.push(["Python original", () => run("tests/peers/original.py")]);
  }
  console.log("\nstart to finish, medians of 21 runs:");
  let floor = 0;
  for (const [name, start] of programs) {
    const time = await medianTime(start, 21);
    floor ||= time;
    print(name, [`${time.toFixed(1)} ms`, `${(time / floor).toFixed(2)}x`]);
  }
}

function print(name: string, figures: string[]) {
  const columns = figures.map((text) => text.padEnd(18)).join("");
  console.log(`  ${name.padEnd(20)} ${columns}`.trimEnd());
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
