/**
 * The README as the tests see it: its blocks of code, and what runs them.
 *
 * @module
 */

import { denoRun, permitted, readProject, startShell } from "./helpers.ts";
import type { Peer } from "./helpers.ts";

/** The text of the README. */
export const readme = permitted ? await readProject("README.md") : "";

/** Returns the first block of code after a text, without its fences. */
export function blockAfter(text: string): string {
  const [before, after] = readme.split(text);
  const block = /^```\w+\n(.*?)^```$/ms.exec(after ?? "")?.[1];
  if (block === undefined) {
    throw new Error(`no block in ${before} after ${text}`);
  }
  return block;
}

/** Starts commands as a reader types them, where `deno` is this Deno. */
export function startCommands(commands: string): Peer {
  return startShell(`deno() { "$0" "$@"; }\n${commands}`);
}

/** Starts the shortest port as the README says, but from no file. */
export function startShortest(change = (source: string) => source): Peer {
  const source = change(blockAfter("## The shortest port"));
  const url = `data:application/typescript,${encodeURIComponent(source)}`;
  return startShell(
    `ulimit -n 64; exec "$0" ${denoRun().join(" ")} "$1"`,
    url,
  );
}
