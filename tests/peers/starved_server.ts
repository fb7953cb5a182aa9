/**
 * A server that prints a line for each failure, for the test that takes its
 * file descriptors away.
 *
 * @module
 */

import { host, port, server } from "../../socket_preview.ts";

const listener = Deno.listen({ hostname: host, port });
console.log("listening");
await server(listener, (error) => console.log(`failed: ${error}`));
