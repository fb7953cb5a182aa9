#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * A TCP server and five clients in one script, which talk over one port. Each
 * client sends its name, and prints what the server says it got. Ported from
 * `socket_preview.py`, Example 5-25 of Programming Python, 4th edition.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * A comment quotes the Python that a line stands for, or says why it is needed.
 *
 * @module
 */

// from socket import …: nothing to import, as sockets are built into Deno.

/** The port number, which names the server on its machine. */
export const port = 50008; // port = 50008
/** The server's host: this machine, out of reach for all others. */
export const host = "localhost"; // host = 'localhost'

/**
 * Listens, and answers all who connect, each once and all at the same time.
 * Prints a line for each failure, and goes on: it never returns, but rejects
 * with `AddrInUse` if the port is taken. Ports the original's `server()`.
 */
export async function server(): Promise<void> {
  // sock = socket(…), sock.bind(('', port)), sock.listen(5); here for this
  // machine alone, and with Deno's backlog of 511.
  const listener = Deno.listen({ hostname: host, port });
  // Its text alone: to print its stack, Deno needs a free file descriptor.
  const report = (error: unknown) => console.error(`${error}`);
  while (true) { // while True; a failed accept would end a `for await`
    try {
      const connection = await listener.accept(); // conn, addr = sock.accept()
      // Not awaited: while one client is slow, the others are served.
      answer(connection).finally(() => connection.close()).catch(report);
    } catch (error) {
      report(error);
      // A client reset its connection before the accept: on to the next.
      if (error instanceof Deno.errors.NotConnected) continue;
      // Otherwise, most likely no descriptor is free: wait, rather than spin.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * Reads up to 1024 bytes, and sends back what it got. Rejects with Deno's
 * `ConnectionReset` or the like. Ports the rest of the original's loop.
 */
export async function answer(connection: Deno.Conn): Promise<void> {
  const data = await receive(connection); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`; // reply = '…%s…' % data
  await send(connection, reply); // conn.send(reply.encode())
}

/**
 * Sends a name, and prints up to 1024 bytes of the reply. Rejects with Deno's
 * `ConnectionRefused` or the like. Ports the original's `client(name)`.
 */
export async function client(name: string): Promise<void> {
  // sock = socket(…), sock.connect(…); `using` is sock.close(), at the end.
  using connection = await Deno.connect({ hostname: host, port });
  await send(connection, name); // sock.send(name.encode())
  const reply = await receive(connection); // reply = sock.recv(1024)
  console.log(`client got: [${bytesLiteral(reply)}]`); // print(…)
}

if (import.meta.main) { // if __name__ == '__main__'
  // from threading import Thread, sthread = Thread(…), sthread.start()
  server(); // runs up to its first `await`: it listens before a client connects
  // for i in range(5): Thread(target=client, …).start(), and wait for them all
  await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  Deno.exit(); // sthread.daemon = True: nobody waits for the server
}

// What the functions above call. Functions are hoisted, so they can come last.

/** Sends a text in UTF-8, all of it: one `write` may take only some bytes. */
export async function send(connection: Deno.Conn, text: string): Promise<void> {
  let rest = new TextEncoder().encode(text);
  while (rest.length > 0) rest = rest.subarray(await connection.write(rest));
}

/** Receives what there is: 1 to 1024 bytes, or none at the end of input. */
export async function receive(connection: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(1024);
  const count = await connection.read(buffer) ?? 0; // null: the end of input
  return buffer.subarray(0, count);
}

/** Returns up to 1024 bytes as Python prints them: `b'…'`, in printable ASCII. */
export function bytesLiteral(bytes: Uint8Array): string {
  const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, "0");
  // A character for each byte; backslashes first, before escapes add more.
  const text = String.fromCharCode(...bytes).replaceAll("\\", "\\\\")
    .replaceAll("\t", "\\t").replaceAll("\n", "\\n").replaceAll("\r", "\\r")
    .replace(/[^ -~]/g, (c) => `\\x${hex(c)}`);
  if (text.includes("'") && !text.includes('"')) return `b"${text}"`;
  return `b'${text.replaceAll("'", "\\'")}'`;
}
