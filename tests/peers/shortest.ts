// The same server and clients as everyone would write them first. Measured
// against `socket_preview.ts`, it has one weakness: one client can end it.

const hostname = "localhost", port = 50008;
const encoder = new TextEncoder(), decoder = new TextDecoder();

async function server() {
  for await (const connection of Deno.listen({ hostname, port })) {
    const data = await receive(connection);
    await connection.write(encoder.encode(`server got: [b'${data}']`));
    connection.close();
  }
}

async function client(name: string) {
  const connection = await Deno.connect({ hostname, port });
  await connection.write(encoder.encode(name));
  console.log(`client got: [b"${await receive(connection)}"]`);
  connection.close();
}

async function receive(connection: Deno.Conn) {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer);
  return decoder.decode(buffer.subarray(0, count ?? 0));
}

server();
for (let i = 0; i < 5; i++) client(`client${i}`);
