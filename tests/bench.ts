/**
 * Compares `server.ts` with servers on Node's `net` and on Python's `asyncio`,
 * and `socket_preview.ts` with an empty script: `deno task bench`.
 *
 * @module
 */

import { deno, run, start } from "./program.ts";

const reply = "server got: [b'client0']";
const address = { hostname: "localhost", port: 50008 };

const node = `
require("node:net").createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.once("data", (data) => socket.end("server got: [b'" + data + "']"));
  socket.once("end", () => socket.end());
}).listen({ host: "localhost", port: 50008 }, () => console.log("listening"))`;

const asyncio = `import asyncio
async def answer(reader, writer):
    writer.write(b"server got: [%a]" % await reader.read(1024))
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "localhost", 50008, backlog=511)
    print("listening", flush=True)
    await server.serve_forever()
asyncio.run(main())`;

const servers = {
  "server.ts": deno("server.ts"),
  "node:net": ["node", "-e", node],
  asyncio: ["python3", "-c", asyncio],
};

/** Makes exchanges with so many clients at a time. Throws if a reply is wrong. */
async function exchangeMany(clients: number, exchanges: number) {
  // The address is looked up once, as that takes longer than all the rest.
  const first = await Deno.connect(address);
  const { hostname, port } = first.remoteAddr;
  first.close();
  const message = new TextEncoder().encode("client0");
  await Promise.all(Array.from({ length: clients }, async () => {
    const buffer = new Uint8Array(1024);
    while (exchanges-- > 0) {
      using conn = await Deno.connect({ hostname, port });
      await conn.write(message);
      const count = await conn.read(buffer);
      if (count !== reply.length) throw new Error("a client got no reply");
    }
  }));
}

for (const clients of [1, 50]) {
  for (const [name, command] of Object.entries(servers)) {
    const group = `2000 exchanges, ${clients} at a time`;
    const baseline = name === "server.ts";
    Deno.bench({ name, group, baseline, n: 5, warmup: 1 }, async (bench) => {
      await using server = start(command);
      await server.printed("listening");
      await exchangeMany(1, 500); // to warm it up
      bench.start();
      await exchangeMany(clients, 2000);
      bench.end();
    });
  }
}

const group = "from start to finish";
Deno.bench({ name: "empty script", group, baseline: true }, async () => {
  await run(deno("data:text/javascript,"));
});
Deno.bench({ name: "socket_preview.ts", group }, async () => {
  await run(deno("socket_preview.ts"));
});
