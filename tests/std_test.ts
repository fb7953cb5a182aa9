import * as std from "@std/assert";

Deno.test("An assertion fails if what it says is not true", async () => {
  const wrong = () => Promise.reject(new TypeError());
  const failing: (() => unknown)[] = [
    () => std.assert(""),
    () => std.assertEquals([{ a: 1 }], [{ a: 2 }]),
    () => std.assertMatch("a", /b/),
    () => std.assertThrows(() => 1, Error),
    () => std.assertThrows(() => JSON.parse(""), RangeError),
    () => std.assertRejects(() => Promise.resolve(), Error),
    () => std.assertRejects(wrong, RangeError),
  ];
  for (const fail of failing) {
    const [{ status }] = await Promise.allSettled([Promise.try(fail)]);
    if (status === "fulfilled") throw new Error(`this does not fail: ${fail}`);
  }
});
