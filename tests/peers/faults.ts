/**
 * Connects and resets, again and again: what ends careless servers.
 *
 *     faults.ts reset COUNT   resets before it sends a byte
 *     faults.ts after COUNT   resets when it has sent a message
 *     faults.ts late COUNT    resets a tenth of a second after it connected
 *
 * @module
 */

import { connect } from "node:net";

const [mode, count] = Deno.args;
for (let number = 0; number < Number(count); number++) {
  await new Promise<void>((resolve) => {
    const socket = connect(50008, "localhost", () => {
      const reset = () => socket.resetAndDestroy();
      if (mode === "after") socket.write("hello", reset);
      else if (mode === "late") setTimeout(reset, 100);
      else reset();
    });
    socket.on("close", () => resolve());
  });
}
