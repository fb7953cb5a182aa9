/**
 * Measures `server.ts` beside servers on Node's `net`, on Python's `asyncio`,
 * and the original, and `socket_preview.ts` beside the original. `soak.ts` uses
 * its load, too.
 *
 * @module
 */

import { exchange, sleep } from "../helpers.ts";
import { denoRun, Program, startShell } from "../program.ts";

const address = { hostname: "localhost", port: 50008 };
const reply = "server got: [b'client0']";

/**
 * Has clients make exchanges, all of them together so many, and waits for the
 * last. Returns how many were right. The clients are in workers, 100 in each:
 * with more, Deno serves some much later, and the server would look slow.
 */
export async function applyLoad(
  clients: number,
  exchanges: number,
): Promise<number> {
  const count = Math.ceil(clients / 100);
  const parts = await Promise.all(Array.from({ length: count }, () => {
    const worker = new Worker(import.meta.url, { type: "module" });
    worker.postMessage([clients / count, exchanges / count]);
    return new Promise<number>((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
  }));
  return parts.reduce((sum, part) => sum + part);
}

/** A worker's part of a load. */
async function carryOut(clients: number, exchanges: number): Promise<number> {
  // The address is looked up once, as that takes longer than all the rest.
  const first = await Deno.connect(address);
  const { hostname, port } = first.remoteAddr;
  first.close();
  const message = new TextEncoder().encode("client0");
  let begun = 0;
  let right = 0;
  await Promise.all(Array.from({ length: clients }, async () => {
    const buffer = new Uint8Array(1024);
    while (begun < exchanges) {
      begun++;
      using connection = await Deno.connect({ hostname, port });
      await connection.write(message);
      const count = await connection.read(buffer).catch(() => 0) ?? 0;
      const text = new TextDecoder().decode(buffer.subarray(0, count));
      if (text === reply) right++;
    }
  }));
  return right;
}

const node = `
require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.once("data", (data) => socket.end("server got: [b'" + data + "']"));
  socket.once("end", () => socket.end());
}).listen({ host: "localhost", port: 50008 }, () => console.log("listening"))`;

const asyncio = `import asyncio
async def answer(reader, writer):
    writer.write(b"server got: [%a]" % await reader.read(1024))
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "localhost", 50008, backlog=511)
    print("listening", flush=True)
    await server.serve_forever()
asyncio.run(main())`;

/** The servers to measure, with the commands that start them. */
async function findServers(): Promise<Map<string, string[]>> {
  // Not just python3, as that may be a version manager's, which starts slowly.
  const script = "python3 -c 'import sys; print(sys.executable)'";
  const { stdout } = await startShell(script).end();
  const python = stdout.trim();
  console.log(`Deno ${Deno.version.deno}, ${python}`);
  return new Map([
    ["server.ts", [Deno.execPath(), ...denoRun(), "server.ts"]],
    ["node:net", ["node", "-e", node]],
    ["asyncio", [python, "-c", asyncio]],
    ["original.py", [python, "tests/peers/original.py", "server"]],
  ]);
}

/** Starts a server with a limit of file descriptors, and waits for it. */
async function startOne(limit: number, command: string[]): Promise<Program> {
  const script = `ulimit -n ${limit}; exec "$@"`;
  const server = startShell(script, ...command);
  await server.printed("listening");
  await sleep(1000); // half a second after its start, Deno opens two more
  return server;
}

/** Prints how many answers a second each server gives, in 5 rounds by turns. */
async function measureLoad(
  servers: Map<string, string[]>,
  clients: number,
  exchanges: number,
) {
  console.log(`\n${clients} clients at a time, answers per second:`);
  const rates = new Map<string, number[]>();
  for (let round = 0; round < 5; round++) {
    for (const [name, command] of servers) {
      // Its few places in the queue make clients wait, so it takes long.
      if (name === "original.py" && (clients > 50 || round > 0)) continue;
      await using _server = await startOne(20_000, command);
      await applyLoad(1, 500); // to warm it up
      const begin = performance.now();
      const right = await applyLoad(clients, exchanges);
      const seconds = (performance.now() - begin) / 1000;
      rates.set(name, [...rates.get(name) ?? [], right / seconds]);
      if (right < exchanges) console.log(`${name} lost ${exchanges - right}`);
    }
  }
  for (const [name, list] of rates) print(name, list);
}

/** Prints how long well-behaved clients wait beside 5,000 silent ones. */
async function measureStorm(servers: Map<string, string[]>) {
  console.log("\nbeside 5000 silent clients, at 1024 file descriptors, ms:");
  for (const [name, command] of servers) {
    await using server = await startOne(1024, command);
    const silent = Array.from({ length: 5000 }, () => Deno.connect(address));
    const times: number[] = [];
    const begin = performance.now();
    let lost = 0;
    while (performance.now() - begin < 6000) {
      const start = performance.now();
      const answer = exchange("client0").catch(() => "");
      const isRight = await Promise.race([answer, sleep(6000)]) === reply;
      if (isRight) times.push(performance.now() - start);
      else lost++;
      await sleep(10);
    }
    server.kill("SIGTERM");
    for (const result of await Promise.allSettled(silent)) {
      if (result.status === "fulfilled") result.value.close();
    }
    print(name, times, `${times.length} answers, ${lost} lost`);
  }
}

/** Prints how long whole programs take, in 21 rounds. */
async function measureStart(servers: Map<string, string[]>) {
  console.log("\nfrom start to finish, ms:");
  const deno = [Deno.execPath(), ...denoRun()];
  const python = servers.get("original.py")![0]!;
  const programs: [string, string[]][] = [
    ["empty script", [...deno, "data:text/javascript,"]],
    ["socket_preview.ts", [...deno, "socket_preview.ts"]],
    ["empty Python", [python, "-c", ""]],
    ["original.py", [python, "tests/peers/original.py"]],
  ];
  for (const [name, [command, ...args]] of programs) {
    const times: number[] = [];
    while (times.length < 21) {
      const begin = performance.now();
      await new Program(command!, ...args).end();
      times.push(performance.now() - begin);
    }
    print(name, times);
  }
}

/** Prints the median of some figures, the least and the greatest. */
function print(name: string, figures: number[], note = "") {
  const sorted = figures.toSorted((a, b) => a - b);
  const [least, median, most] = [0, sorted.length >> 1, sorted.length - 1]
    .map((index) => sorted[index]?.toFixed(1) ?? "-");
  console.log(`  ${name.padEnd(18)} ${median} (${least} to ${most}) ${note}`);
}

if ("WorkerGlobalScope" in globalThis) {
  const worker = self as unknown as Worker;
  worker.onmessage = async ({ data: [clients, exchanges] }) => {
    worker.postMessage(await carryOut(clients, exchanges));
    self.close();
  };
} else if (import.meta.main) {
  const servers = await findServers();
  await measureLoad(servers, 1, 2000);
  await measureLoad(servers, 50, 5000);
  await measureLoad(servers, 500, 5000);
  await measureStorm(servers);
  await measureStart(servers);
  Deno.exit(); // even if a client still waits for its answer
}
