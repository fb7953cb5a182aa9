import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "@std/assert";

Deno.test("An assertion fails if what it says is not true", async () => {
  const wrong = () => Promise.reject(new TypeError());
  const failing: (() => unknown)[] = [
    () => assert(""),
    () => assertEquals([{ a: 1 }], [{ a: 2 }]),
    () => assertMatch("a", /b/),
    () => assertThrows(() => 1, Error),
    () => assertThrows(() => JSON.parse(""), RangeError),
    () => assertRejects(() => Promise.resolve(), Error),
    () => assertRejects(wrong, RangeError),
  ];
  for (const fail of failing) {
    const [{ status }] = await Promise.allSettled([
      (async () => await fail())(),
    ]);
    if (status === "fulfilled") throw new Error(`this does not fail: ${fail}`);
  }
});
