#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * A TCP server and five clients that talk to it, in one script. Ported from
 * `socket_preview.py`, Example 5-25 of Programming Python, 4th edition.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * @module
 */

/** The port number, which identifies the server on its machine. */
export const port = 50008; // port = 50008
/** Where the server listens and clients connect: this machine only. */
export const host = "localhost"; // host = 'localhost'

/**
 * Answers clients, many at once, for ever. Throws if it cannot listen.
 * Original: `server()`, which serves one client at a time, from any machine.
 */
export async function server(): Promise<void> {
  // sock = socket(…); sock.bind(('', port)); sock.listen(5)
  const listener = Deno.listen({ hostname: host, port });
  while (true) { // while True:
    try {
      const conn = await listener.accept(); // conn, addr = sock.accept()
      // Not awaited, so that a slow client does not keep the others waiting.
      answer(conn).catch(report);
    } catch (error) { // such as a client that reset before it was accepted
      report(error);
      // Wait for 1 ms, so that a lasting error does not hog the processor.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

/**
 * Reads up to 1024 bytes, sends back a reply that quotes them, and closes the
 * connection. Throws if that fails. Original: in `server()`, without `close()`.
 */
export async function answer(conn: Deno.Conn): Promise<void> {
  // Like Python's `with`, `using` closes `conn` at the end of the block.
  using _conn = conn;
  const data = await receive(conn); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`; // reply = '…' % data
  // conn.send(reply.encode())
  await send(conn, new TextEncoder().encode(reply));
}

/**
 * Connects, sends a name, prints up to 1024 bytes of the reply, and closes the
 * connection. Throws if that fails. Original: `client()`.
 */
export async function client(name: string): Promise<void> {
  // sock = socket(…); sock.connect((host, port)); later, sock.close()
  using conn = await Deno.connect({ hostname: host, port });
  await send(conn, new TextEncoder().encode(name)); // sock.send(name.encode())
  const reply = await receive(conn); // reply = sock.recv(1024)
  console.log(`client got: [${bytesLiteral(reply)}]`); // print('…' % reply)
}

if (import.meta.main) { // if __name__ == '__main__':
  // sthread = Thread(target=server); sthread.start()
  // server() runs to its first `await`, so it listens before clients connect.
  server(); // not awaited, as it never ends
  // for i in range(5): Thread(target=client, args=('client%s' % i,)).start()
  await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  Deno.exit(); // sthread.daemon = True: do not wait for the server
}

// Helpers. A `function` can be called above its definition.

/** Prints an error. */
export function report(error: unknown): void {
  // Not its stack: Deno crashes on printing one if no file descriptor is free.
  console.error(`${error}`);
}

/** Sends all the bytes, like Python's `sendall`. */
export async function send(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  // `write` may take only some of the bytes, and returns how many.
  while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
}

/** Returns the next 1 to 1024 bytes, or 0 bytes at the end of the stream. */
export function receive(conn: Deno.Conn): Promise<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(1024);
  // `read` returns how many bytes it got, or null at the end of the stream.
  return conn.read(buffer).then((count) => buffer.subarray(0, count ?? 0));
}

/** Returns bytes as Python prints them, such as `b'hello'`. */
export function bytesLiteral(bytes: Uint8Array): string {
  const hex = (code: number) => code.toString(16).padStart(2, "0");
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  const escaped = text.replaceAll("\\", "\\\\") // first, as the others add \
    .replaceAll("\t", "\\t").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replace(/[^ -~]/g, (char) => `\\x${hex(char.charCodeAt(0))}`);
  if (text.includes("'") && !text.includes('"')) return `b"${escaped}"`;
  return `b'${escaped.replaceAll("'", "\\'")}'`;
}
