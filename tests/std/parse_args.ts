/**
 * Stands in for `@std/cli/parse-args` on networks without JSR, as far as
 * `client.ts` can tell the difference.
 *
 * @module
 */

interface Options<Text extends string> {
  string: Text[]; // options with a value, such as --count 3
  "--": true; // return what follows `--` by itself
  unknown: (argument: string, option?: string) => unknown;
}

type Result<Text extends string> = Partial<Record<Text, string>> & {
  "--": string[];
};

/** Parses arguments. Calls `unknown` with names and unknown options. */
export function parseArgs<Text extends string>(
  args: string[],
  { string, unknown }: Options<Text>,
): Result<Text> {
  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const result: Record<string, unknown> = { "--": args.slice(end + 1) };
  for (let i = 0; i < end; i++) {
    const argument = args[i]!;
    const [, option, value] = /^--?(.+?)(?:=(.*))?$/s.exec(argument) ?? [];
    if (option === undefined) unknown(argument);
    else if (!argument.startsWith("--") || !string.includes(option as Text)) {
      unknown(argument, option);
    } else if (value !== undefined) result[option] = value;
    else {
      const next = i + 1 < end ? args[i + 1]! : "";
      const takesNext = next !== "" && !next.startsWith("-");
      result[option] = takesNext ? next : "";
      if (takesNext) i++;
    }
  }
  return result as Result<Text>;
}
