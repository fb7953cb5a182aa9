// server.ts as one would write it for Node: the same port, the same replies.

import { createServer } from "node:net";

const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {}); // a reset ends this connection only
  socket.once("data", (data) => {
    socket.end(`server got: [${bytesLiteral(data.subarray(0, 1024))}]`);
  });
  socket.once("end", () => {
    if (socket.bytesRead === 0) socket.end("server got: [b'']");
  });
});
server.listen({ host: "localhost", port: 50008 }, () => {
  console.log("listening");
});

function bytesLiteral(bytes) {
  const text = bytes.latin1Slice();
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll(quote, `\\${quote}`)
    .replaceAll("\t", "\\t")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replace(
      /[^ -~]/g,
      (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
    );
  return `b${quote}${escaped}${quote}`;
}
