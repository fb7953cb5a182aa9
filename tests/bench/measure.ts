/**
 * What the measurement and the endurance test share: a load on the server, and
 * what the server holds.
 *
 * @module
 */

import { connect, Program } from "../helpers.ts";
import type { Load, Order } from "./load.ts";

/**
 * Has clients make a number of exchanges, all together, in workers of at most
 * 100 clients. They give up after 8000 milliseconds.
 */
export async function applyLoad(
  clients: number,
  exchanges: number,
): Promise<Load> {
  const hostname = await resolveHost();
  const workers = Math.ceil(clients / 100);
  const order = {
    hostname,
    clients: clients / workers,
    exchanges: exchanges / workers,
    limit: 8000,
  };
  const all = await Promise.all(
    Array.from({ length: workers }, () => work(order)),
  );
  return {
    answers: all.reduce((sum, load) => sum + load.answers, 0),
    lost: all.reduce((sum, load) => sum + load.lost, 0),
    slowest: Math.max(...all.map((load) => load.slowest)),
    elapsed: Math.max(...all.map((load) => load.elapsed)),
  };
}

function work(order: Order): Promise<Load> {
  const url = new URL("./load.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.postMessage(order);
  });
}

/** The server's address: to look its name up each time would take the longest. */
async function resolveHost(): Promise<string> {
  using connection = await connect();
  return connection.remoteAddr.hostname;
}

/** The memory of a process, in KiB. */
export async function residentMemory(pid: number): Promise<number> {
  return Number(await printedBy("ps", "-o", "rss=", "-p", `${pid}`));
}

/** How many file descriptors a process has open. Linux only. */
export async function openDescriptors(pid: number): Promise<number> {
  return (await printedBy("ls", `/proc/${pid}/fd`)).trimEnd().split("\n")
    .length;
}

async function printedBy(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Program(command, ...args).end();
  if (code !== 0) throw new Error(stderr);
  return stdout;
}
