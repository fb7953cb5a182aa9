// server.ts as one would write it for Node, for the messages of the measurement.

import { createServer } from "node:net";

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {}); // a reset ends this connection only
  socket.once("data", (data) => socket.end(`server got: [b'${data}']`));
  socket.once("end", () => socket.end());
});
server.listen({ host: "localhost", port: 50008 }, () => {
  console.log("listening");
});
