#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * One script that runs a TCP server and five clients, which talk to it over one
 * port. Each client sends its name, and prints the server's reply. Ported from
 * `socket_preview.py`, Example 5-25 of Programming Python, 4th edition.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * Comments that begin with Python code quote the original, shortened.
 *
 * @module
 */

// from socket import …: nothing to import here, as Deno has sockets built in.

/** The port number, which identifies the server on its machine. */
export const port = 50008; // port = 50008
/** The server and the clients run on this machine. No other can connect. */
export const host = "localhost"; // host = 'localhost'

/**
 * Listens, and answers many clients at once. Rejects if it cannot listen, with
 * `AddrInUse` or `NotCapable` (no permission) for example. Prints later errors,
 * and never ends by itself. Original: `server()`, one client at a time.
 */
export async function server(): Promise<void> {
  // sock = socket(…); sock.bind(('', port)); sock.listen(5)
  // In Python, '' lets other machines connect. Here, only this machine can, and
  // the backlog is Deno's default instead of 5.
  const listener = Deno.listen({ hostname: host, port });
  // No stack trace: Deno 2.9 crashes on it if too many files are open.
  const report = (error: unknown) => console.error(`${error}`);
  // Not a `for await` loop, since that ends at the first error.
  while (true) { // while True:
    try {
      const connection = await listener.accept(); // conn, addr = sock.accept()
      // Not awaited, so that a slow client does not keep the others waiting.
      answer(connection).catch(report);
    } catch (error) {
      report(error);
      // The client reset its connection before it was accepted: go on at once.
      if (error instanceof Deno.errors.NotConnected) continue;
      // Other errors may persist, such as too many open files. Wait for 5 ms
      // before the next try, so that this loop does not hog the processor.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/**
 * Reads up to 1024 bytes, sends back a reply that quotes them, and closes the
 * connection. Rejects with `ConnectionReset` or `BrokenPipe` if the client has
 * reset it. Original: the rest of the loop in `server()`.
 */
export async function answer(accepted: Deno.Conn): Promise<void> {
  // `using` closes it when the function ends. The original never closes it.
  using connection = accepted;
  const data = await receive(connection); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`; // reply = '…' % data
  await send(connection, reply); // conn.send(reply.encode())
}

/**
 * Connects, sends a name, prints up to 1024 bytes of the reply, and closes the
 * connection. Rejects with `ConnectionRefused` if no server listens, or with
 * `NotCapable`, `ConnectionReset` or `BrokenPipe`. Original: `client(name)`.
 */
export async function client(name: string): Promise<void> {
  // sock = socket(…); sock.connect((host, port))
  // `using` closes it when the function ends: sock.close()
  using connection = await Deno.connect({ hostname: host, port });
  await send(connection, name); // sock.send(name.encode())
  const reply = await receive(connection); // reply = sock.recv(1024)
  console.log(`client got: [${bytesLiteral(reply)}]`); // print('…' % reply)
}

if (import.meta.main) { // if __name__ == '__main__'
  // from threading import Thread; sthread = Thread(target=server)
  // sthread.daemon = True; sthread.start()
  // Not awaited, since it never ends. The call runs it up to its first `await`,
  // so it listens before a client connects. If it cannot, the script ends.
  server();
  // for i in range(5): Thread(target=client, args=('client%s' % i,)).start()
  // Unlike in Python, the first client that fails ends the script.
  await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  Deno.exit(); // also stops server(), like sthread.daemon = True
}

// Helpers. A function can be called above its definition.

/** Sends text as UTF-8. Rejects with `ConnectionReset` or `BrokenPipe`. */
export async function send(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  // Repeated, since one `write` may take only some of the bytes.
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

/**
 * Waits for data, and returns 1 to 1024 bytes, or 0 bytes if the other side has
 * finished sending. Rejects with `ConnectionReset`.
 */
export async function receive(connection: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer); // null at the end of the stream
  return buffer.subarray(0, count ?? 0);
}

/** Returns bytes as Python prints them, such as `b'hello'`, in plain ASCII. */
export function bytesLiteral(bytes: Uint8Array): string {
  const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, "0");
  const text = String.fromCharCode(...bytes); // one character for each byte
  const escaped = text.replaceAll("\\", "\\\\") // first: the rest add more \
    .replaceAll("\t", "\\t").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replace(/[^ -~]/g, (c) => `\\x${hex(c)}`);
  if (text.includes("'") && !text.includes('"')) return `b"${escaped}"`;
  return `b'${escaped.replaceAll("'", "\\'")}'`;
}
