#!/usr/bin/env -S deno run --allow-net=localhost:50008
/**
 * A TCP server and five clients, all in one script, that talk over one port:
 * Example 5-25, `socket_preview.py`, of Programming Python, 4th edition, in
 * Deno. Each client sends its name and prints what the server says it got.
 *
 *     deno run --allow-net=localhost:50008 socket_preview.ts
 *
 * @module
 */

/** The port, which names the socket on its machine. */
export const port = 50008;
/** The server's host: this machine, out of reach for all others. */
export const host = "localhost";
const timeout = 10_000; // milliseconds; the original waits for ever

/**
 * Answers everyone who connects, each once and all at the same time: reads up
 * to 1024 bytes, sends back `server got: [b'…']`, closes the connection. No
 * client can stop it: one that resets loses its own connection, and one that
 * sends nothing is let go after 10,000 milliseconds. Ports the original's
 * `server()`.
 *
 * @param listener Where clients connect. Close it to stop the server: answers
 * under way are still sent.
 * @param report Called with the error of every connection that fails, and with
 * the connection if there is one. By default, failures are ignored.
 * @returns A promise that resolves once the listener is closed, and its port
 * free. It never rejects, unless `report` throws.
 */
export async function server(listener: Deno.Listener, report = ignore) {
  // Not `for await`: it ends at the first accept that fails.
  while (true) {
    try {
      const connection = await listener.accept(); // conn, addr = sock.accept()
      // Not awaited, so that a slow client holds nobody up.
      answer(connection).catch((error) => report(error, connection));
    } catch (error) {
      if (error instanceof Deno.errors.BadResource) return; // listener closed
      report(error);
      // This client reset while it waited; the next one need not wait for it.
      if (error instanceof Deno.errors.NotConnected) continue;
      // Most likely out of file descriptors: give others time to free some.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/**
 * Sends a name to the server and prints the reply. Ports the original's
 * `client(name)`.
 *
 * @param name The text to send, 1 to 1024 bytes in UTF-8.
 * @returns A promise that resolves when `client got: [b"…"]` is printed, with
 * up to 1024 bytes of the reply, and the connection closed.
 * @throws {RangeError} If the name is empty or too long: nothing is sent.
 * @throws {Deno.errors.ConnectionRefused} If no server listens.
 * @throws {Deno.errors.TimedOut} If no reply comes for 10,000 milliseconds, or
 * a `TimeoutError` if the connection itself takes that long.
 * @throws {Deno.errors.UnexpectedEof} If the server closes without a reply.
 */
export async function client(name: string) {
  const message = new TextEncoder().encode(name); // name.encode()
  if (message.length < 1 || message.length > 1024) {
    throw new RangeError(`name has ${message.length} bytes, not 1 to 1024`);
  }
  const target = { hostname: host, port, signal: AbortSignal.timeout(timeout) };
  using connection = await Deno.connect(target); // closed at the end
  await send(connection, message); // sock.send(…)
  const reply = await receive(connection); // reply = sock.recv(1024)
  if (reply.length === 0) throw new Deno.errors.UnexpectedEof("no reply came");
  console.log(`client got: [${bytesLiteral(reply)}]`);
}

if (import.meta.main) {
  try {
    // socket(…), bind(…) and listen(5) in one. The backlog stays Deno's 511:
    // with the original's 5, fifty clients at once would stall for seconds.
    const listener = Deno.listen({ hostname: host, port });
    listener.unref(); // sthread.daemon = True: nobody waits for the server
    server(listener); // sthread.start()
    await Promise.all([0, 1, 2, 3, 4].map((i) => client(`client${i}`)));
  } catch (error) {
    console.error(`free and allow port ${port}: ${(error as Error).message}`);
    Deno.exitCode = 1;
  }
}

/** The server's part of one connection, which it closes on every path. */
async function answer(accepted: Deno.Conn) {
  using connection = accepted;
  const data = await receive(connection); // data = conn.recv(1024)
  const reply = `server got: [${bytesLiteral(data)}]`;
  await send(connection, new TextEncoder().encode(reply)); // conn.send(…)
}

/** Reads once: up to 1024 bytes, or none at the end of input. */
async function receive(connection: Deno.Conn) {
  const buffer = new Uint8Array(1024);
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new Deno.errors.TimedOut("nothing came in 10 s"));
  const timer = setTimeout(giveUp, timeout);
  const reading = Promise.race([connection.read(buffer), silence]);
  const count = await reading.finally(() => clearTimeout(timer));
  return buffer.subarray(0, count ?? 0); // null is the end of input
}

/** Sends all of the bytes: one write may take only some of them. */
async function send(connection: Deno.Conn, bytes: Uint8Array) {
  while (bytes.length) bytes = bytes.subarray(await connection.write(bytes));
}

/** Writes bytes as Python's `%s` does: `b'…'` in plain, printable ASCII. */
function bytesLiteral(bytes: Uint8Array) {
  const text = String.fromCharCode(...bytes); // a character for each byte
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const named = new Map([["\t", "\\t"], ["\n", "\\n"], ["\r", "\\r"]]);
  const hex = (c: string) => c.charCodeAt(0).toString(16).padStart(2, "0");
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll(quote, `\\${quote}`)
    .replace(/[^ -~]/g, (c) => named.get(c) ?? `\\x${hex(c)}`);
  return `b${quote}${escaped}${quote}`;
}

/** Takes a failure and does nothing. */
function ignore(_error: unknown, _connection?: Deno.Conn) {}
