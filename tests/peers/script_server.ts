// The server of `socket_preview.ts` without its five clients, and without end.

import { server } from "../../socket_preview.ts";

server(); // it listens before its first `await`
console.log("listening");
