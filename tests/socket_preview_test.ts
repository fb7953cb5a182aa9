/**
 * The promises of `socket_preview.ts`, in the order of its parts: the output,
 * the bytes on the wire, the file itself, five at once, survival, bad input.
 *
 * @module
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  connect,
  denoRun,
  encode,
  exchange,
  fiveLines,
  linesOfCode,
  listen,
  Peer,
  printedBy,
  readAll,
  readOnce,
  readProject,
  runAlone,
  runProgram,
  runPython,
  sleep,
  sortLines,
  startProgram,
  test,
  testWith,
  until,
  within,
  writeAll,
} from "./helpers.ts";
import * as preview from "../socket_preview.ts";

const { client, server } = preview;

/** What `report` is called with. */
type Failure = [error: unknown, connection?: Deno.Conn];

/** Runs a server around `fn`, and checks that it ends when its listener does. */
async function withServer(
  fn: () => Promise<void>,
  report?: (error: unknown, connection?: Deno.Conn) => void,
) {
  using listener = listen();
  const serving = server(listener, report);
  try {
    await fn();
  } finally {
    listener.close();
    await within(serving, "server() returns");
  }
}

test("socket_preview.ts prints the original's five lines, 100 times in a row", async () => {
  for (let run = 0; run < 100; run++) {
    const { code, stdout, stderr } = await runProgram("socket_preview.ts");
    assertEquals(sortLines(stdout), fiveLines);
    assertEquals(stderr, "");
    assertEquals(code, 0);
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
  const trickle = (connection: Deno.TcpConn) => {
    const write = connection.write.bind(connection);
    connection.write = (bytes) => write(bytes.subarray(0, 3));
  };
  using real = listen();
  const sent: string[] = [];
  const accepting = (async () => {
    using connection = await real.accept();
    // Not the server: only the end of input shows that all has come.
    await sleep(50);
    sent.push(await readOnce(connection));
    await connection.write(encode("thanks"));
  })();
  await withConnect(trickle, () => printedBy(() => client("0123456789")));
  await accepting;
  assertEquals(sent, ["0123456789"]);

  changeFirst(real, trickle);
  const serving = server(real);
  assertEquals(await exchange("0123456789"), "server got: [b'0123456789']");
  real.close();
  await within(serving, "server() returns");
});

test("socket_preview.ts is one page without imports, in the original's order", async () => {
  const source = await readProject("socket_preview.ts");
  const lines = linesOfCode(source);
  assert(lines <= 68, `${lines} lines of code, more than 68`);
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

test("socket_preview.ts names every line of the original, in its order", async () => {
  const source = await readProject("socket_preview.ts");
  const comments = source.split("\n")
    .flatMap((line) => /\/\/.*/.exec(line) ?? []).join("\n");
  const quoted = {
    "server(": ["while True", "sock.accept()"],
    "client(": [
      "socket(…)",
      "sock.connect(…)",
      "sock.close()",
      "sock.send(…)",
      "sock.recv(1024)",
      "print(…)",
    ],
    "main": [
      "if __name__ == '__main__'",
      "socket(…)",
      "bind(…)",
      "listen(5)",
      "sthread.start()",
      "range(5)",
      "start()",
      "daemon",
    ],
    "answer(": ["conn.recv(1024)", "reply = …", "conn.send(…)"],
  };
  let place = 0;
  for (const line of Object.values(quoted).flat()) {
    place = comments.indexOf(line, place);
    assert(place >= 0, `${line} is not named, or not in its place`);
  }
});

test("socket_preview.ts shows Deno's own error, which names what is missing", async () => {
  const flags = denoRun("--allow-net=localhost:50009");
  const deno = new Peer(Deno.execPath(), ...flags, "socket_preview.ts");
  const { code, stdout, stderr } = await deno.end();
  assertEquals(stdout, "");
  assert(stderr.includes('Requires net access to "localhost:50008"'), stderr);
  assert(stderr.includes("Deno.listen({ hostname: host, port })"), stderr);
  assertEquals(code, 1);
});

test("socket_preview.ts shows Deno's own error if its port is taken", async () => {
  using _listener = listen();
  const { code, stdout, stderr } = await runProgram("socket_preview.ts");
  assertEquals(stdout, "");
  assert(stderr.includes("AddrInUse: Address already in use"), stderr);
  assertEquals(code, 1);
});

test("socket_preview.ts serves its five clients at once, and ends with them", async () => {
  await using peer = startProgram(
    "--preload=tests/peers/gate.ts",
    "socket_preview.ts",
  );
  await peer.printed("listening\n");
  using _outsider = await connect(); // stays, and would have to be waited for
  const { code, stdout } = await peer.end();
  assertEquals(sortLines(stdout), fiveLines);
  assertEquals(code, 0);
});

test("server() answers others while a client says nothing", async () => {
  await withServer(async () => {
    using _silent = await connect();
    using _another = await connect();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
  });
});

test("server() sends answers that are under way when its listener closes", async () => {
  using listener = listen();
  const serving = server(listener);
  using slow = await connect();
  // Who connected later is answered, so this one has been accepted.
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  listener.close();
  await within(serving, "server() returns");
  await writeAll(slow, "late");
  assertEquals(await readAll(slow), "server got: [b'late']");
});

testWith(
  "python3",
  "server() goes on at once after 300 clients that reset before accept",
  async () => {
    using listener = listen();
    await runPython("faults.py", "reset", "300");
    const failures: unknown[] = [];
    const serving = server(listener, (error) => failures.push(error));
    const start = performance.now();
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    // With a pause for each of them it would be 7.5 seconds.
    const elapsed = performance.now() - start;
    assert(elapsed < 5000, `the next client waited for ${elapsed} ms`);
    assertEquals(failures.length, 300);
    listener.close();
    await within(serving, "server() returns");
  },
);

testWith(
  "python3",
  "server() loses only the connection that resets after accept",
  async () => {
    const failures: Failure[] = [];
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

/**
 * Has `server()` accept some silent clients, at times of a clock that stands
 * still between them, and then fail to accept with `failure`.
 */
async function acceptThenFail(times: number[], failure: Error) {
  using listener = listen();
  const accept = listener.accept.bind(listener);
  const { now } = performance;
  const pending = [...times];
  const clients: Deno.TcpConn[] = [];
  let hasFailed = false;
  listener.accept = async () => {
    const time = pending.shift();
    if (time === undefined && !hasFailed) {
      hasFailed = true;
      performance.now = () => 1000;
      throw failure;
    }
    const connection = await accept();
    if (time !== undefined) performance.now = () => time;
    return connection;
  };
  const failures: Failure[] = [];
  try {
    for (const _ of times) clients.push(await connect());
    const serving = server(listener, (...failure) => failures.push(failure));
    // The answer to one more shows that it has gone on.
    assertEquals(await exchange("hello"), "server got: [b'hello']");
    const replies: string[] = [];
    for (const client of clients) {
      await client.write(encode("late")).catch(() => {});
      replies.push(await readAll(client).catch(() => ""));
    }
    listener.close();
    await within(serving, "server() returns");
    const isLetGo = replies.map((reply) => reply !== "server got: [b'late']");
    return { isLetGo, failures };
  } finally {
    performance.now = now;
    for (const client of clients) client.close();
  }
}

test("server() lets go of who has been connected for 250 ms if it cannot accept", async () => {
  const failure = new Error("Too many open files");
  const { isLetGo, failures } = await acceptThenFail([0, 750, 751], failure);
  assertEquals(isLetGo, [true, true, false]);
  const [[error, none], ...others] = failures;
  assertEquals([error, none], [failure, undefined]);
  assertEquals(others.length, 2); // each once
  for (const [error, connection] of others) {
    assert(error instanceof Deno.errors.TimedOut, `${error}`);
    assertEquals(error.message, "let go to admit others");
    assert(connection !== undefined);
  }
});

for (const kind of ["NotConnected", "ConnectionAborted"] as const) {
  test(`server() lets nobody go for a client that reset: ${kind}`, async () => {
    const failure = new Deno.errors[kind]("reset");
    const { isLetGo, failures } = await acceptThenFail([0, 0], failure);
    assertEquals(isLetGo, [false, false]);
    assertEquals(failures, [[failure]]);
  });
}

test("server() pauses for 25 ms whenever accept fails, then goes on", async () => {
  using listener = listen();
  const accept = listener.accept.bind(listener);
  const { promise: isOver, resolve } = Promise.withResolvers<void>();
  let failures = 0;
  listener.accept = () => {
    if (failures++ < 3) throw new Error("Too many open files");
    resolve();
    return accept();
  };
  const pauses: number[] = [];
  const { setTimeout } = globalThis;
  globalThis.setTimeout = ((fn: () => void, milliseconds: number) => {
    pauses.push(milliseconds);
    return setTimeout(fn, milliseconds);
  }) as typeof setTimeout;
  const serving = server(listener);
  await isOver;
  globalThis.setTimeout = setTimeout;
  assertEquals(pauses, [25, 25, 25]);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  listener.close();
  await within(serving, "server() returns");
});

test("server() rejects if report() throws for an accept", async () => {
  using listener = listen();
  const failure = new Error("no accept");
  listener.accept = () => Promise.reject(failure);
  const report = (error: unknown) => {
    throw error;
  };
  const error = await assertRejects(() => server(listener, report), Error);
  assertEquals(error, failure);
});

test("server() leaves what report() throws for an answer to nobody else", async () => {
  const caught: unknown[] = [];
  const catchIt = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    caught.push(event.reason);
  };
  using listener = listen();
  changeFirst(listener, (connection) => {
    connection.read = () => Promise.reject(new Error("cannot be read"));
  });
  const thrown = new Error("thrown by report");
  const serving = server(listener, () => {
    throw thrown;
  });
  globalThis.addEventListener("unhandledrejection", catchIt);
  try {
    assertEquals(await exchange("first"), ""); // closed all the same
    await until(() => caught.length > 0, "nobody caught it");
    assertEquals(caught, [thrown]);
    assertEquals(await exchange("second"), "server got: [b'second']");
  } finally {
    globalThis.removeEventListener("unhandledrejection", catchIt);
    listener.close();
    await within(serving, "server() returns");
  }
});

/** Changes the first connection that a listener accepts. */
function changeFirst(
  listener: Deno.TcpListener,
  change: (connection: Deno.TcpConn) => void,
) {
  const accept = listener.accept;
  listener.accept = async () => {
    listener.accept = accept;
    const connection = await listener.accept();
    change(connection);
    return connection;
  };
}

test("server() returns when its listener is closed, and the port is free at once", async () => {
  for (let round = 0; round < 20; round++) {
    using listener = listen();
    const serving = server(listener);
    if (round % 2) assertEquals(await exchange("a"), "server got: [b'a']");
    using _silent = await connect();
    listener.close();
    await within(serving, "server() returns");
    listen().close();
  }
});

test("client() rejects names of no byte and of more than 1024, before it connects", async () => {
  const names = { 0: "", 1025: "x".repeat(1025), 1026: "é".repeat(513) };
  for (const [size, name] of Object.entries(names)) {
    const { message } = await assertRejects(() => client(name), RangeError);
    assertEquals(message, `${size} bytes, not 1-1024`);
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
  const { message } = await assertRejects(
    () => client("anyone"),
    Deno.errors.UnexpectedEof,
  );
  assertEquals(message, "no reply came");
  await closing;
});

test("client() rejects with Deno's own error when no server listens", async () => {
  await assertRejects(() => client("anyone"), Deno.errors.ConnectionRefused);
});

/** Runs `fn` with other connections than Deno's own. */
async function withConnect(
  change: (connection: Deno.TcpConn) => void,
  fn: () => Promise<unknown>,
) {
  const original = Deno.connect;
  const connect = async (options: Deno.ConnectOptions) => {
    const connection = await original(options);
    change(connection);
    return connection;
  };
  Deno.connect = connect as typeof Deno.connect;
  try {
    await fn();
  } finally {
    Deno.connect = original;
  }
}

test("client() rejects with what keeps it from sending", async () => {
  const failure = new Deno.errors.BrokenPipe("while sending");
  const breakPipe = (connection: Deno.TcpConn) => {
    connection.write = () => Promise.reject(failure);
  };
  await withServer(() =>
    withConnect(breakPipe, async () => {
      const error = await assertRejects(() => client("x"), Error);
      assertEquals(error, failure);
    })
  );
});

testWith(
  "unshare",
  "client() does not talk to itself where its own port is the server's",
  async () => {
    const source = `import { client } from "./socket_preview.ts";
      await client("Alice").catch((error) => console.log(String(error)));`;
    const { stdout, stderr } = await runAlone("eval", source);
    assertEquals(stderr, "");
    assertEquals(stdout, "ConnectionRefused: no server\n");
  },
);
