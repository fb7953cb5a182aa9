/**
 * The promises of `socket_preview.ts`, in the order of its parts: the output,
 * the bytes on the wire, the file itself, five at once, survival, bad input.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import * as preview from "../socket_preview.ts";
import {
  connect,
  encode,
  exchange,
  linesOfCode,
  listen,
  printedBy,
  readAll,
  readOnce,
  replyTo,
  root,
  runProgram,
  runPython,
  runShell,
  sleep,
  sortLines,
  startPython,
  startShell,
  test,
  testWith,
  until,
} from "./helpers.ts";

const { client, server } = preview;

const fiveLines = [0, 1, 2, 3, 4].map((i) => replyTo(`client${i}`)).join("");

/** Runs a server around `fn`, and checks that it ends when its listener does. */
async function withServer(
  fn: () => Promise<void>,
  report?: (error: unknown, connection?: Deno.Conn) => void,
) {
  const listener = listen();
  const serving = server(listener, report);
  try {
    await fn();
  } finally {
    listener.close();
    await serving;
  }
}

test("socket_preview.ts prints the original's five lines, 100 times in a row", async () => {
  for (let run = 0; run < 100; run++) {
    const start = performance.now();
    const { code, stdout, stderr } = await runProgram("socket_preview.ts");
    assertEquals(sortLines(stdout), fiveLines);
    assertEquals(stderr, "");
    assertEquals(code, 0);
    // A timer that is left behind would hold it up for 10 seconds.
    const elapsed = performance.now() - start;
    assert(elapsed < 5000, `run ${run} took ${elapsed} ms`);
  }
});

testWith("python3", "socket_preview.ts prints what Python prints", async () => {
  const { stdout } = await runPython("original.py");
  assertEquals(sortLines(stdout), fiveLines);
});

test("server() replies with Python's bytes literal, then closes", async () => {
  await withServer(async () => {
    const replies = {
      "client0": "b'client0'",
      "it's": `b"it's"`,
      'say "hi"': `b'say "hi"'`,
      "both ' and \"": `b'both \\' and "'`,
      "\\": "b'\\\\'",
      "\t\n\r": "b'\\t\\n\\r'",
      "\0\x1f\x7f ~": "b'\\x00\\x1f\\x7f ~'",
      "é": "b'\\xc3\\xa9'",
    };
    for (const [message, literal] of Object.entries(replies)) {
      assertEquals(await exchange(message), `server got: [${literal}]`);
    }
  });
});

testWith(
  "python3",
  "server() replies as Python would, to each byte and to 3000 random messages",
  async () => {
    const { stdout } = await runPython("literals.py");
    const pairs = stdout.trimEnd().split("\n").map((line) =>
      line.split(" ").map((hex) =>
        Uint8Array.from(hex.match(/../g)!, (digits) => parseInt(digits, 16))
      )
    );
    assertEquals(pairs.length, 3256);
    await withServer(async () => {
      const decoder = new TextDecoder();
      const next = pairs.values();
      const check = async () => {
        for (const [message, reply] of next) {
          assertEquals(await exchange(message), decoder.decode(reply));
        }
      };
      await Promise.all([check(), check(), check(), check()]);
    });
  },
);

test("server() answers a client that ends its side without a byte", async () => {
  await withServer(async () => {
    using connection = await connect();
    await connection.closeWrite();
    assertEquals(await readAll(connection), "server got: [b'']");
  });
});

test("server() answers the first 1024 of 5000 bytes", async () => {
  await withServer(async () => {
    using connection = await connect();
    assertEquals(await connection.write(new Uint8Array(5000).fill(97)), 5000);
    const reply = await readOnce(connection);
    assertEquals(reply, `server got: [b'${"a".repeat(1024)}']`);
    assertEquals(await exchange("next"), "server got: [b'next']");
  });
});

test("server() and client() send everything, even a few bytes at a time", async () => {
  const trickle = <Connection extends Deno.Conn>(connection: Connection) => {
    const write = connection.write.bind(connection);
    connection.write = (bytes) => write(bytes.subarray(0, 3));
    return connection;
  };
  const real = listen();
  const sent: string[] = [];
  const accepting = (async () => {
    using connection = await real.accept();
    // Not the server: only the end of input shows that all has come.
    await sleep(50);
    sent.push(await readOnce(connection));
    await connection.write(encode("thanks"));
  })();
  const original = Deno.connect;
  const slow = async (options: Deno.ConnectOptions) =>
    trickle(await original(options));
  Deno.connect = slow as typeof Deno.connect;
  try {
    await printedBy(() => client("0123456789"));
  } finally {
    Deno.connect = original;
  }
  await accepting;
  assertEquals(sent, ["0123456789"]);

  const accept = real.accept.bind(real);
  real.accept = async () => trickle(await accept());
  const serving = server(real);
  assertEquals(await exchange("0123456789"), "server got: [b'0123456789']");
  real.close();
  await serving;
});

test("socket_preview.ts is one page without imports, in the original's order", async () => {
  const source = await Deno.readTextFile(new URL("socket_preview.ts", root));
  const lines = linesOfCode(source);
  assert(lines <= 70, `${lines} lines of code, more than 70`);
  assert(!/^import|\bimport\(/m.test(source), "it imports something");
  const parts = [
    "export const port",
    "export const host",
    "export async function server(",
    "export async function client(",
    "if (import.meta.main)",
    "function answer(",
  ];
  const places = parts.map((part) => source.indexOf(part));
  assert(!places.includes(-1), "a part is missing");
  assertEquals(places, places.toSorted((a, b) => a - b));
  assertEquals(Object.keys(preview), ["client", "host", "port", "server"]);
  assertEquals([preview.host, preview.port], ["localhost", 50008]);
});

testWith(
  "sh",
  "socket_preview.ts runs, checks and lints alone in an empty folder",
  async () => {
    const { code, stdout, stderr } = await runShell(`
    folder=$(mktemp -d) && trap 'rm -r "$folder"' EXIT
    cp socket_preview.ts "$folder" && cd "$folder" &&
    "$0" run --no-config --no-remote --no-npm --no-prompt \\
      --allow-net=localhost:50008 socket_preview.ts &&
    "$0" check -q socket_preview.ts && "$0" lint -q socket_preview.ts
  `);
    assertEquals(stderr, "");
    assertEquals(sortLines(stdout), fiveLines);
    assertEquals(code, 0);
  },
);

testWith(
  "sh",
  "socket_preview.ts is refused with the permission for another port",
  async () => {
    const { code, stdout, stderr } = await runShell(
      `"$0" run --no-prompt --allow-net=localhost:50009 socket_preview.ts`,
    );
    assertEquals(stdout, "");
    assertMatch(stderr, /^.*net access to "localhost:50008".*\n$/);
    assertEquals(code, 1);
  },
);

test("socket_preview.ts says in one line that its port is taken", async () => {
  using _listener = listen();
  const { code, stdout, stderr } = await runProgram("socket_preview.ts");
  assertEquals(stdout, "");
  assertMatch(stderr, /^.*50008.*Address already in use.*\n$/);
  assertEquals(code, 1);
});

test("the five clients of socket_preview.ts are connected at the same time", async () => {
  const gate = "--preload=tests/peers/gate.ts";
  const { code, stdout, stderr } = await runProgram(gate, "socket_preview.ts");
  assertEquals(stderr, "");
  assertEquals(sortLines(stdout), fiveLines);
  assertEquals(code, 0);
});

test("server() answers others while a client says nothing", async () => {
  await withServer(async () => {
    using _silent = await connect();
    using _another = await connect();
    const start = performance.now();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    assert(performance.now() - start < 1000, "the silent clients held it up");
  });
});

testWith(
  "python3",
  "server() goes on at once after 300 clients that reset before accept",
  async () => {
    const listener = listen();
    await runPython("faults.py", "reset", "300");
    const failures: unknown[] = [];
    const serving = server(listener, (error) => failures.push(error));
    const start = performance.now();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    const elapsed = performance.now() - start;
    assert(elapsed < 1000, `the next client waited for ${elapsed} ms`);
    assertEquals(failures.length, 300);
    listener.close();
    await serving;
  },
);

testWith(
  "python3",
  "server() loses only the connection that resets after accept",
  async () => {
    const failures: [unknown, Deno.Conn | undefined][] = [];
    await withServer(
      async () => {
        for (const mode of ["reset", "reset-after"]) {
          await runPython("faults.py", mode, "20");
          assertEquals(await exchange("hello"), "server got: [b'hello']");
        }
      },
      (error, connection) => failures.push([error, connection]),
    );
    const { BrokenPipe, ConnectionReset, NotConnected } = Deno.errors;
    for (const [error, connection] of failures) {
      const expected = connection
        ? error instanceof ConnectionReset || error instanceof BrokenPipe
        : error instanceof NotConnected;
      assert(expected, `${error}`);
    }
    assert(failures.length > 0, "no failure was reported");
  },
);

testWith(
  "python3",
  "server() waits when it is out of descriptors, then goes on",
  async () => {
    const command =
      `ulimit -n 40; exec "$0" run -q --allow-net=localhost:50008`;
    await using starved = startShell(
      `${command} tests/peers/starved_server.ts`,
    );
    await starved.printed("listening");
    // Deno sets up its own signal handling half a second after the start, and
    // panics if no descriptors are left for that (2.9.6).
    await sleep(700);
    await using holder = startPython("faults.py", "hold", "60");
    await holder.printed("holding");
    await starved.printed("Too many open files");
    await sleep(1000);
    const failures = starved.stdout.match(/failed: /g)!.length;
    assert(failures <= 20, `${failures} failures within about a second`);
    await holder.end();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    assertEquals(starved.stderr, "");
  },
);

test("server() and client() let go of a silent peer after 10 seconds", async () => {
  const start = performance.now();
  const listener = listen();
  const refusal = assertRejects(
    () => client("unanswered"),
    Deno.errors.TimedOut,
    "10 s",
  ).then(() => performance.now() - start);
  using _mute = await listener.accept();

  const failures: unknown[] = [];
  const serving = server(listener, (error) => failures.push(error));
  using silent = await connect();
  assertEquals(await readAll(silent), "");
  const elapsed = [performance.now() - start, await refusal];
  for (const milliseconds of elapsed) {
    assert(milliseconds > 9_900 && milliseconds < 11_500, `${milliseconds} ms`);
  }
  await until(() => failures.length === 1, "the failure is reported");
  assert(failures[0] instanceof Deno.errors.TimedOut, `${failures[0]}`);
  listener.close();
  await serving;
});

test("server() returns when its listener is closed, and the port is free at once", async () => {
  const start = performance.now();
  for (let round = 0; round < 20; round++) {
    const listener = listen();
    const serving = server(listener);
    if (round % 2) assertEquals(await exchange("a"), "server got: [b'a']");
    using _silent = await connect();
    listener.close();
    await serving;
    listen().close();
  }
  const elapsed = performance.now() - start;
  assert(elapsed < 2000, `20 rounds took ${elapsed} ms`);
});

test("client() rejects names of no byte and of more than 1024, before it connects", async () => {
  const names = { 0: "", 1025: "x".repeat(1025), 1026: "é".repeat(513) };
  for (const [size, name] of Object.entries(names)) {
    const { message } = await assertRejects(() => client(name), RangeError);
    assertMatch(message, new RegExp(`\\b${size} bytes.*\\b1\\b.*\\b1024\\b`));
  }
});

test("client() sends names of 1 and of 1024 bytes", async () => {
  await withServer(async () => {
    assertEquals(await printedBy(() => client("x")), [
      `client got: [b"server got: [b'x']"]`,
    ]);
    // As in the original, a reply is read once, up to 1024 bytes.
    assertEquals(await printedBy(() => client("x".repeat(1024))), [
      `client got: [b"server got: [b'${"x".repeat(1009)}"]`,
    ]);
  });
});

test("client() rejects when the server closes without a byte", async () => {
  using listener = listen();
  const closing = (async () => {
    using connection = await listener.accept();
    await connection.read(new Uint8Array(1024));
  })();
  await assertRejects(() => client("anyone"), Deno.errors.UnexpectedEof);
  await closing;
});

test("client() rejects with Deno's own error when no server listens", async () => {
  await assertRejects(() => client("anyone"), Deno.errors.ConnectionRefused);
});
