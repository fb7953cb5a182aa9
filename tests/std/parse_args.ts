// Stands in for `@std/cli/parse-args`, as far as `client.ts` uses it.

interface Options {
  boolean: ["help", "h"];
  string: ["_"]; // names stay text
  unknown: (argument: string, option?: string) => unknown;
}

/** Parses arguments. Calls `unknown` with names and unknown options. */
export function parseArgs(args: string[], { unknown }: Options) {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const names: string[] = [];
  let help = false;
  let h = false;
  for (const argument of args.slice(0, end)) {
    if (argument === "--help") help = true;
    else if (argument === "-h") h = true;
    else if (argument === "-" || !argument.startsWith("-")) {
      unknown(argument);
      names.push(argument);
    } else unknown(argument, argument);
  }
  return { help, h, _: [...names, ...args.slice(end + 1)] };
}
