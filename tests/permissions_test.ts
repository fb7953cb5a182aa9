/**
 * What `deno test` says without the permissions that the tests need: one line,
 * in the place of a failure for each of them.
 *
 * @module
 */

import { permitted } from "./helpers.ts";

Deno.test("the tests have the permissions they need", () => {
  if (permitted) return;
  const error = new Error("run: deno task test");
  delete error.stack; // where it comes from helps nobody
  throw error;
});
