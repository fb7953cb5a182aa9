/**
 * Stands in for `@std/cli/parse-args` on networks without JSR, as far as
 * `client.ts` uses it, on top of Deno's own `node:util`.
 *
 * @module
 */

import { parseArgs as split } from "node:util";

interface Options<Flag extends string, Text extends string> {
  alias: Record<string, Flag>; // another name for a flag, such as -h
  boolean: Flag[]; // flags, such as --help
  string: Text[]; // options with a value, such as --count 3
  "--": true; // return what follows `--` by itself
  unknown: (argument: string, option?: string) => void;
}

type Result<Flag extends string, Text extends string> =
  & Record<Flag, boolean>
  & Partial<Record<Text, string>>
  & { "--": string[] };

/** Parses arguments. Calls `unknown` with names and unknown options. */
export function parseArgs<Flag extends string, Text extends string>(
  args: string[],
  { alias, boolean, string, unknown }: Options<Flag, Text>,
): Result<Flag, Text> {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const result: Record<string, unknown> = { "--": args.slice(end + 1) };
  for (const flag of boolean) result[flag] = false;
  const { tokens } = split({
    // Without what follows the first letter: -xh is the unknown option -x.
    args: args.slice(0, end).map((text) => text.replace(/^(-[^-]).*/s, "$1")),
    strict: false,
    tokens: true,
  });
  let done = -1; // the index of the last argument that has been dealt with
  for (const token of tokens) {
    const argument = args[token.index]!;
    if (token.index <= done) continue;
    done = token.index;
    if (token.kind !== "option") {
      unknown(argument);
    } else if (boolean.includes((alias[token.name] ?? token.name) as Flag)) {
      result[alias[token.name] ?? token.name] = true;
    } else if (string.includes(token.name as Text)) {
      const next = args.slice(0, end)[token.index + 1] ?? "-";
      const takesNext = token.value === undefined && !next.startsWith("-");
      if (takesNext) done++;
      result[token.name] = takesNext ? next : token.value ?? "";
    } else unknown(argument, token.name);
  }
  return result as Result<Flag, Text>;
}
