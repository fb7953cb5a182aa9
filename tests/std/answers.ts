/**
 * Succeeds where the registry of the `@std` packages answers within 5 seconds,
 * and fails where it does not: some networks refuse it, others swallow every
 * packet. The tasks then take the stand-ins beside this file.
 *
 * @module
 */

const giveUp = setTimeout(() => Deno.exit(1), 5_000);
// Not literals, so that they are fetched while the clock runs.
for (const name of ["@std/assert", "@std/cli/parse-args"]) await import(name);
clearTimeout(giveUp);
