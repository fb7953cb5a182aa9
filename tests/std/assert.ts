// Stands in for `@std/assert` on networks without JSR, as far as tests use it.

import * as node from "node:assert/strict";

export { match as assertMatch, ok as assert } from "node:assert/strict";

// deno-lint-ignore no-explicit-any
type Class<E extends Error> = abstract new (...args: any[]) => E;

/** Throws unless both values are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string) {
  node.deepStrictEqual(actual, expected, message);
}

/** Returns the error that `fn` throws. Throws if it is of another class. */
export function assertThrows<E extends Error>(
  fn: () => unknown,
  ErrorClass: Class<E>,
): E {
  try {
    fn();
  } catch (error) {
    if (error instanceof ErrorClass) return error;
  }
  throw new node.AssertionError({ message: `no ${ErrorClass.name} thrown` });
}

/** Returns the error that `fn` rejects with. Throws if it is of another class. */
export async function assertRejects<E extends Error>(
  fn: () => Promise<unknown>,
  ErrorClass: Class<E>,
): Promise<E> {
  const error = await fn().then(() => undefined, (error) => error);
  return assertThrows(() => {
    throw error;
  }, ErrorClass);
}
