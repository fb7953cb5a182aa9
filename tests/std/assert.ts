/**
 * Stands in for `@std/assert` on networks without JSR, as far as the tests use
 * it, on top of Deno's own `node:assert`.
 *
 * @module
 */

import * as node from "node:assert/strict";

export { match as assertMatch, ok as assert } from "node:assert/strict";

/** Throws unless both values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T) {
  node.deepStrictEqual(actual, expected);
}

/** Returns the error that `fn` rejects with. Throws if it is of another class. */
export async function assertRejects<E extends Error>(
  fn: () => Promise<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
): Promise<E> {
  const error = await fn().catch((error) => error);
  node.ok(error instanceof ErrorClass, `rejected with ${error}`);
  return error;
}
