#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * A TCP server and five clients in one script, which talk over one port. Each
 * client sends its name, and prints what the server replies. Ported from
 * `socket_preview.py`, Example 5-25 of Programming Python, 4th edition.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * Comments in Python quote the original, shortened. The others explain the port.
 *
 * @module
 */

// from socket import *: not needed here, since sockets are built into Deno.

/** The port number, which identifies the server on its machine. */
export const port = 50008; // port = 50008
/** The machine that the server runs on: this one. Others cannot connect to it. */
export const host = "localhost"; // host = 'localhost'

/**
 * Listens, and answers each client that connects, many at the same time. Never
 * returns. Prints errors that concern a single client, and keeps running. Rejects
 * with `AddrInUse` or `NotCapable` if it cannot listen. Original: `server()`.
 */
export async function server(): Promise<void> {
  // sock = socket(…); sock.bind(('', port)); sock.listen(5)
  const listener = Deno.listen({ hostname: host, port });
  // As text: to print its stack too, Deno would need a free file descriptor.
  const report = (error: unknown) => console.error(`${error}`);
  while (true) { // while True; a `for await` would stop if an accept failed
    try {
      const connection = await listener.accept(); // conn, addr = sock.accept()
      // Not awaited, so that a slow client does not keep the others waiting.
      answer(connection).catch(report);
    } catch (error) {
      report(error);
      // A client reset its connection before it was accepted: take the next one.
      if (error instanceof Deno.errors.NotConnected) continue;
      // Others may last, such as a lack of file descriptors: pause before the
      // next try, for 5 milliseconds, to leave the processor to other work.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/**
 * Reads up to 1024 bytes, sends back a reply that quotes them, and closes the
 * connection. Rejects with `ConnectionReset` or `BrokenPipe` if the client has
 * gone away. Original: the rest of the loop in `server()`.
 */
export async function answer(accepted: Deno.Conn): Promise<void> {
  // Closed at the end of this function. Python's garbage collector closes conn.
  using connection = accepted;
  const data = await receive(connection); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`; // reply = '…' % data
  await send(connection, reply); // conn.send(reply.encode())
}

/**
 * Connects, sends a name, prints up to 1024 bytes of the reply, and closes the
 * connection. Rejects with `ConnectionRefused` if no server is listening, or with
 * `NotCapable`, `ConnectionReset` or `BrokenPipe`. Original: `client(name)`.
 */
export async function client(name: string): Promise<void> {
  // sock = socket(…); sock.connect((host, port)); and sock.close() at the end
  using connection = await Deno.connect({ hostname: host, port });
  await send(connection, name); // sock.send(name.encode())
  const reply = await receive(connection); // reply = sock.recv(1024)
  console.log(`client got: [${bytesLiteral(reply)}]`); // print('…' % reply)
}

if (import.meta.main) { // if __name__ == '__main__'
  // from threading import Thread; sthread = Thread(target=server)
  // sthread.daemon = True; sthread.start()
  // Not awaited, since it never returns. It listens before the next line runs;
  // if it cannot, Deno prints the error and ends the script.
  server();
  // for i in range(5): Thread(target=client, args=('client%s' % i,)).start()
  await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  Deno.exit(); // Ends server() too, which is what sthread.daemon = True is for.
}

// The functions below can stand after the code that calls them.

/** Sends a text as UTF-8: all of it, as one `write` may take only some bytes. */
export async function send(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

/** Waits for data, and returns 1 to 1024 bytes, or none at the end of stream. */
export async function receive(connection: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer); // null at the end of stream
  return buffer.subarray(0, count ?? 0);
}

/** Returns bytes as the text that Python prints: `b'…'`, in printable ASCII. */
export function bytesLiteral(bytes: Uint8Array): string {
  const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, "0");
  // One character for each byte. Backslashes first, since the escapes add more.
  const text = String.fromCharCode(...bytes).replaceAll("\\", "\\\\")
    .replaceAll("\t", "\\t").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replace(/[^ -~]/g, (c) => `\\x${hex(c)}`);
  if (text.includes("'") && !text.includes('"')) return `b"${text}"`;
  return `b'${text.replaceAll("'", "\\'")}'`;
}
