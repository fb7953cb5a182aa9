/**
 * Connects, again and again, in the ways that end careless servers.
 *
 *     faults.ts reset COUNT    resets before it sends a byte
 *     faults.ts after COUNT    resets when it has sent a message
 *     faults.ts late COUNT     resets a tenth of a second after it connected
 *     faults.ts silent COUNT   connects all at once, and says nothing
 *
 * @module
 */

import { connect } from "node:net";

const [mode, count] = Deno.args;
for (let number = 0; number < Number(count); number++) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect(50008, "localhost", () => {
    const reset = () => socket.resetAndDestroy();
    if (mode === "after") socket.write("hello", reset);
    if (mode === "late") setTimeout(reset, 100);
    if (mode === "reset") reset();
  });
  socket.on("error", () => {});
  socket.on("close", () => resolve());
  if (mode !== "silent") await promise;
}
console.log(mode);
