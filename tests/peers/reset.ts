/**
 * A client that resets its connection after a tenth of a second.
 *
 *     deno run --allow-net=localhost:50008 tests/peers/reset.ts
 *
 * @module
 */

import { connect } from "node:net"; // Deno.connect has no way to reset

const socket = connect(50008, "localhost");
setTimeout(() => socket.resetAndDestroy(), 100);
