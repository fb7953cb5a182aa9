/**
 * A client that resets its connection after a tenth of a second.
 *
 *     deno run --allow-net=localhost:50008 tests/peers/reset.ts
 *
 * @module
 */

import { connect } from "node:net"; // Deno.connect has no way to reset

// Deno.connect tells whether localhost is an IPv4 or an IPv6 address here.
const first = await Deno.connect({ hostname: "localhost", port: 50008 });
const family = first.remoteAddr.hostname.includes(":") ? 6 : 4;
first.close();

const socket = connect({ host: "localhost", port: 50008, family });
socket.on("connect", () => {
  setTimeout(() => socket.resetAndDestroy(), 100);
});
