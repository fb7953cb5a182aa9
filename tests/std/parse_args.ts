/**
 * Stands in for `@std/cli/parse-args` on networks without JSR, as far as
 * `client.ts` uses it.
 *
 * @module
 */

interface Options {
  boolean: ["help"];
  alias: { help: "h" };
  string: ["_"]; // names stay text
  unknown: (argument: string, option?: string) => unknown;
}

/** Parses arguments. Calls `unknown` with names and unknown options. */
export function parseArgs(args: string[], { unknown }: Options) {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const names: string[] = [];
  let help = false;
  for (const argument of args.slice(0, end)) {
    if (argument === "-h" || argument === "--help") help = true;
    else if (argument === "-" || !argument.startsWith("-")) {
      unknown(argument);
      names.push(argument);
    } else unknown(argument, argument);
  }
  return { help, _: [...names, ...args.slice(end + 1)] };
}
