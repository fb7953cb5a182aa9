#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * A TCP server and five clients, all in one script, that talk over one port:
 * Example 5-25, `socket_preview.py`, of Programming Python, 4th edition, in
 * Deno. Each client sends its name and prints what the server says it got.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * A comment quotes the Python that a line stands for, or says why it is here.
 *
 * @module
 */

/** The port, which names the socket on its machine. */
export const port = 50008;
/** The server's host: this machine, out of reach for all others. */
export const host = "localhost";

/**
 * Answers everyone who connects, each once and all at the same time: reads up
 * to 1024 bytes, sends back `server got: [b'…']`, closes the connection. Ports
 * the original's `server()`.
 *
 * Clients may take as long as they like. Only when an accept fails for want of
 * file descriptors, the connections older than 250 milliseconds are let go. So
 * it outlives clients that reset, before or after accept, and keeps answering
 * others while thousands stay silent.
 *
 * @param listener Where clients connect. Close it to stop the server: answers
 * under way are still sent.
 * @param report Called with the error of every accept that fails, and with the
 * error and the connection of every answer that fails; `TimedOut` is one let
 * go. By default, failures are ignored. It must not throw: for an answer, nobody
 * can catch that; otherwise, `server` rejects with it.
 * @returns A promise that resolves once the listener is closed and its port
 * free, or rejects with what `report` throws.
 */
export async function server(
  listener: Deno.Listener,
  report = (_error: unknown, _connection?: Deno.Conn): void => {},
): Promise<void> {
  const open = new Map<Deno.Conn, number>(); // since when, in milliseconds
  while (true) { // while True; not `for await`, which a failed accept would end
    try {
      const connection = await listener.accept(); // conn, addr = sock.accept()
      open.set(connection, performance.now());
      answer(connection) // not awaited, so that a slow client holds nobody up
        // A reset ends this one answer. Who is let go, below, is reported there.
        .catch((error) => open.has(connection) && report(error, connection))
        .finally(() => open.delete(connection) && connection.close());
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return; // listener closed
      report(error);
      // One client reset while it waited. The next one need not wait for that.
      if (error instanceof Deno.errors.NotConnected) continue;
      if (error instanceof Deno.errors.ConnectionAborted) continue;
      // Most likely out of file descriptors: those who came first give way,
      for (const [connection, since] of open) {
        if (performance.now() - since < 250) break; // all others are newer
        open.delete(connection); // or it would be reported and closed twice
        connection.close();
        report(new Deno.errors.TimedOut("let go to admit others"), connection);
      }
      // and a pause lets Deno free theirs, or the loop would spin.
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/**
 * Sends a name to the server and prints the reply. Ports the original's
 * `client(name)`.
 *
 * @param name The text to send, 1 to 1024 bytes in UTF-8.
 * @returns A promise that resolves when `client got: [b"…"]` is printed, with
 * up to 1024 bytes of the reply, and the connection closed. It waits for the
 * reply as long as the connection lasts.
 * @throws {RangeError} If the name is empty or too long: nothing is sent.
 * @throws {Deno.errors.ConnectionRefused} If no server listens.
 * @throws {Deno.errors.ConnectionReset} If the server resets the connection, or
 * `BrokenPipe` if it had closed before.
 * @throws {Deno.errors.UnexpectedEof} If the server closes without a reply.
 * @throws {Deno.errors.NotCapable} Without permission for `localhost:50008`.
 */
export async function client(name: string): Promise<void> {
  const message = new TextEncoder().encode(name); // name.encode()
  const size = message.length; // 0 would leave both sides waiting
  if (!size || size > 1024) throw new RangeError(`${size} bytes, not 1-1024`);
  // sock = socket(…), sock.connect(…); `using` is sock.close() at the end.
  using connection = await Deno.connect({ hostname: host, port });
  // Where nobody listens, Linux may connect a socket to itself.
  const ownPort = connection.localAddr.port;
  if (ownPort === port) throw new Deno.errors.ConnectionRefused("no server");
  await send(connection, message); // sock.send(…)
  const reply = await receive(connection); // reply = sock.recv(1024)
  if (reply.length === 0) throw new Deno.errors.UnexpectedEof("no reply came");
  console.log(`client got: [${bytesLiteral(reply)}]`); // print(…)
}

if (import.meta.main) { // if __name__ == '__main__'
  // socket(…), bind(…) and listen(5) in one, then sthread.start(). The backlog
  // is Deno's 511: with 5, fifty clients at once would stall for seconds.
  server(Deno.listen({ hostname: host, port }));
  // for i in range(5): a promise each stands for a thread and its start()
  await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  Deno.exit(); // sthread.daemon = True: nobody waits for the server
}

// What the functions above call: functions are hoisted, so they can come last.

/** The server's part of one connection. */
async function answer(connection: Deno.Conn): Promise<void> {
  const data = await receive(connection); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`; // reply = … % data
  await send(connection, new TextEncoder().encode(reply)); // conn.send(…)
}

/** Reads once: up to 1024 bytes, or none at the end of input. */
async function receive(connection: Deno.Conn): Promise<Uint8Array> {
  const buffer = new Uint8Array(1024);
  return buffer.subarray(0, await connection.read(buffer) ?? 0);
}

/** Sends all of the bytes: one write may take only some of them. */
async function send(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  while (bytes.length) bytes = bytes.subarray(await connection.write(bytes));
}

/** Writes bytes as Python's `%s` does: `b'…'` in plain, printable ASCII. */
function bytesLiteral(bytes: Uint8Array): string {
  // Double quotes only if there is a single one, 0x27, and no double one, 0x22.
  const quote = bytes.includes(0x27) && !bytes.includes(0x22) ? '"' : "'";
  const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, "0");
  const escaped = String.fromCharCode(...bytes) // a character for each byte
    .replace(/[\\\t\n\r]/g, (c) => JSON.stringify(c).slice(1, -1))
    .replaceAll(quote, `\\${quote}`)
    .replace(/[^ -~]/g, (c) => `\\x${hex(c)}`);
  return `b${quote}${escaped}${quote}`;
}
