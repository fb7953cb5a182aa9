// Says in one line what keeps the tests from running.

import { host, port } from "../socket_preview.ts";

const needed = "2.9.0";
const found = Deno.version.deno;
if (new Intl.Collator("en", { numeric: true }).compare(found, needed) < 0) {
  console.error(`The tests need Deno ${needed}, not ${found}.`);
  Deno.exit(1);
}
try {
  Deno.listen({ hostname: host, port }).close();
} catch (error) {
  console.error(`${error}. See ${(error as Error).name} in README.md.`);
  Deno.exit(1);
}
