/**
 * The server and five clients as most people would write them first, to compare
 * `socket_preview.ts` with. One client can crash this server, or block it.
 *
 *     deno run --allow-net=localhost:50008 tests/peers/short_version.ts
 */

const hostname = "localhost";
const port = 50008;

async function server() {
  for await (const conn of Deno.listen({ hostname, port })) {
    const text = await receiveText(conn);
    await sendText(conn, `server got: [b'${text}']`);
    conn.close();
  }
}

async function client(name: string) {
  const conn = await Deno.connect({ hostname, port });
  await sendText(conn, name);
  console.log(`client got: [b"${await receiveText(conn)}"]`);
  conn.close();
}

async function sendText(conn: Deno.Conn, text: string) {
  await conn.write(new TextEncoder().encode(text));
}

async function receiveText(conn: Deno.Conn): Promise<string> {
  const buffer = new Uint8Array(1024);
  const count = await conn.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

server();
for (let i = 0; i < 5; i++) client(`client${i}`);
