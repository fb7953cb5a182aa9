/**
 * Stands in for `@std/assert` on networks without JSR, as far as the tests use
 * it: the same names and types, on top of Deno's own `node:assert`.
 *
 * @module
 */

import node from "node:assert/strict";

/** Throws unless the condition holds. */
export function assert(condition: unknown, message = ""): asserts condition {
  node.ok(condition, message || undefined);
}

/** Throws unless both values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string) {
  node.deepStrictEqual(actual, expected, message);
}

/** Throws unless the text matches the pattern. */
export function assertMatch(
  actual: string,
  expected: RegExp,
  message?: string,
) {
  node.match(actual, expected, message);
}

/** Resolves to the error that `fn` rejects with; throws if it is no such error. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  // deno-lint-ignore no-explicit-any
  ErrorClass: abstract new (...args: any[]) => E,
  messageIncludes = "",
): Promise<E> {
  const [result] = await Promise.allSettled([fn()]);
  assert(result.status === "rejected", "Expected function to reject");
  assert(result.reason instanceof ErrorClass, `Rejected with ${result.reason}`);
  assert(result.reason.message.includes(messageIncludes), `${result.reason}`);
  return result.reason;
}
