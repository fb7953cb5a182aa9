/**
 * Stands in for `@std/cli/parse-args` on networks without JSR, as far as
 * `client.ts` uses it, on top of Deno's own `node:util`.
 *
 * @module
 */

import { parseArgs as split } from "node:util";

interface ParseOptions<Boolean extends string, String extends string> {
  alias: Record<string, Boolean>;
  boolean: Boolean[];
  string: String[];
  unknown?: (argument: string, option?: string) => unknown;
}

type Parsed<Boolean extends string, String extends string> =
  & { _: (string | number)[] }
  & Record<Boolean, boolean>
  & Partial<Record<Exclude<String, "_">, string>>;

/** Parses command line arguments the way `parseArgs` does. */
export function parseArgs<Boolean extends string, String extends string>(
  args: string[],
  { alias, boolean, string, unknown = () => {} }: ParseOptions<Boolean, String>,
): Parsed<Boolean, String> {
  const flags: Record<string, boolean> = {};
  for (const name of boolean) flags[name] = false;
  const texts: Record<string, string> = {};
  const names: string[] = [];
  const isFlag = (name: string) =>
    Object.hasOwn(alias, name) || Object.hasOwn(flags, name);
  const setFlag = (name: string, value: boolean) =>
    flags[Object.hasOwn(alias, name) ? alias[name] : name] = value;

  const end = args.includes("--") ? args.indexOf("--") : args.length;
  const { tokens } = split({
    // Of letters only the first: node would take the end of `-h-` for `--`.
    args: args.slice(0, end).map((text) => text.replace(/^(-[^-]).*/s, "$1")),
    strict: false,
    tokens: true,
  });
  let done = -1; // the index of the last argument that is dealt with
  for (const token of tokens) {
    if (token.index <= done) continue;
    done = token.index;
    const argument = args[done];
    const next = args.slice(done + 1, end)[0];
    const isBooleanNext = next === "true" || next === "false";
    if (token.kind !== "option") {
      unknown(argument);
      names.push(argument);
    } else if (!argument.startsWith("--")) {
      const isLast = setLetters(argument);
      if (isLast && isBooleanNext) setFlag(argument.at(-1)!, next === "true");
      if (isLast && isBooleanNext) done++;
    } else if (isFlag(token.name)) {
      const takesNext = token.value === undefined && isBooleanNext;
      if (takesNext) done++;
      setFlag(token.name, (takesNext ? next : token.value) !== "false");
    } else if (string.includes(token.name as String)) {
      const takesNext = token.value === undefined && /^[^-]/.test(next ?? "");
      if (takesNext) done++;
      texts[token.name] = takesNext ? next : token.value ?? "";
    } else unknown(argument, token.name);
  }
  const isText = string.includes("_" as String);
  const isNumber = (name: string) => /\S/.test(name) && isFinite(Number(name));
  const first = names.map((name) =>
    isText || !isNumber(name) ? name : Number(name)
  );
  const all = [...first, ...args.slice(end + 1)];
  return { ...flags, ...texts, _: all } as unknown as Parsed<Boolean, String>;

  /** Sets flags such as `-h`. Returns whether a value may follow. */
  function setLetters(argument: string): boolean {
    for (let place = 1; place < argument.length; place++) {
      const letter = argument[place], rest = argument.slice(place + 1);
      if (!isFlag(letter)) {
        unknown(argument, letter);
        return false;
      }
      setFlag(letter, rest !== "=");
      const isValue = /^[-=]$|=.|-?\d+(\.\d*)?(e-?\d+)?$|^\W[^]/.test(rest);
      if (isValue) return false;
    }
    return true;
  }
}
