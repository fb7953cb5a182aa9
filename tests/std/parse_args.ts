/**
 * Stands in for `@std/cli/parse-args` on networks without JSR, as far as the
 * programs use it, on top of minimist, which `parseArgs` itself follows.
 *
 * @module
 */

// @ts-types="npm:@types/minimist@1.2.5"
// deno-lint-ignore no-import-prefix -- deno.json lists only what JSR networks use
import minimist from "npm:minimist@1.2.8";

interface ParseOptions<Boolean extends string, String extends string> {
  boolean: Boolean[];
  string: String[];
  unknown: (argument: string) => unknown;
}

type Parsed<Boolean extends string, String extends string> =
  & { _: (string | number)[] }
  & Record<Boolean, boolean>
  & Partial<Record<String, string>>;

/** Parses command line arguments the way `parseArgs` does. */
export function parseArgs<Boolean extends string, String extends string>(
  args: string[],
  options: ParseOptions<Boolean, String>,
): Parsed<Boolean, String> {
  // minimist takes `--no-x` for the option x, false, and trips over the names
  // that every object has, like `--constructor`. To parseArgs all are unknown.
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const isUnknown = (argument: string, index: number) => {
    const name = /^--([^=]+)/.exec(argument)?.[1];
    return index < end && name !== undefined &&
      (/^no-./.test(name) || name in {});
  };
  args.filter(isUnknown).forEach((argument) => options.unknown(argument));
  const rest = args.filter((argument, index) => !isUnknown(argument, index));

  const parsed = minimist(rest, options);
  // Of an option that is given twice, minimist keeps both and parseArgs the last.
  for (const name of options.string) {
    parsed[name] = [parsed[name]].flat().at(-1);
  }
  return parsed as Parsed<Boolean, String>;
}
