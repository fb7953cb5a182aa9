/**
 * The server and five clients as most people would write them first, to compare
 * `socket_preview.ts` with. One client can crash this server, or block it.
 *
 *     deno run --allow-net=localhost:50008 tests/peers/short_version.ts
 *
 * @module
 */

const hostname = "localhost";
const port = 50008;

async function server() {
  for await (const connection of Deno.listen({ hostname, port })) {
    const text = await receiveText(connection);
    await sendText(connection, `server got: [b'${text}']`);
    connection.close();
  }
}

/** Like the original's `client`, but as short as the server. */
export async function client(name: string) {
  const connection = await Deno.connect({ hostname, port });
  await sendText(connection, name);
  console.log(`client got: [b"${await receiveText(connection)}"]`);
  connection.close();
}

async function sendText(connection: Deno.Conn, text: string) {
  await connection.write(new TextEncoder().encode(text));
}

async function receiveText(connection: Deno.Conn) {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer);
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

if (import.meta.main) {
  server();
  for (let i = 0; i < 5; i++) client(`client${i}`);
}
