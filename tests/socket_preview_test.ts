/**
 * The promises of `socket_preview.ts`: what it prints, and what its functions
 * do for those who copy them.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  answer,
  bytesLiteral,
  client,
  receive,
  send,
} from "../socket_preview.ts";
import {
  connect,
  connectMany,
  encode,
  exchange,
  fiveLines,
  listen,
  readAll,
  readOnce,
  readProject,
  reset,
  sortLines,
  test,
} from "./helpers.ts";
import {
  failAccepts,
  holdAccepts,
  preload,
  Program,
  run,
  start,
  stay,
} from "./program.ts";

/** A connection without a network, whose `write` takes three bytes at a time. */
class FakeConnection {
  written: number[] = [];
  isClosed = false;
  constructor(readonly incoming: string[]) {}

  read(buffer: Uint8Array): Promise<number | null> {
    const piece = this.incoming.shift();
    if (piece === undefined) return Promise.resolve(null);
    const bytes = encode(piece).subarray(0, buffer.length);
    buffer.set(bytes);
    return Promise.resolve(bytes.length);
  }

  write(bytes: Uint8Array): Promise<number> {
    const taken = bytes.subarray(0, 3);
    this.written.push(...taken);
    return Promise.resolve(taken.length);
  }

  [Symbol.dispose]() {
    this.isClosed = true;
  }

  get text(): string {
    return new TextDecoder().decode(new Uint8Array(this.written));
  }
}

function fake(...incoming: string[]): FakeConnection & Deno.Conn {
  return new FakeConnection(incoming) as unknown as FakeConnection & Deno.Conn;
}

Deno.test("bytesLiteral() returns what Python prints for bytes", () => {
  const literals = {
    "": "b''",
    "client0": "b'client0'",
    "it's": `b"it's"`,
    'say "hi"': `b'say "hi"'`,
    "both ' and \"": `b'both \\' and "'`,
    "''\"": `b'\\'\\'"'`,
    "\\": "b'\\\\'",
    "\\t\\x0a\\": "b'\\\\t\\\\x0a\\\\'",
    "\t\n\r\t\n\r": "b'\\t\\n\\r\\t\\n\\r'",
    "\0\x0f\x1f\x7f ~": "b'\\x00\\x0f\\x1f\\x7f ~'",
    "éé": "b'\\xc3\\xa9\\xc3\\xa9'",
  };
  for (const [text, literal] of Object.entries(literals)) {
    assertEquals(bytesLiteral(encode(text)), literal);
  }
});

Deno.test("receive() returns what one read gives, up to 1024 bytes", async () => {
  const connection = fake("one", "two");
  assertEquals(await receive(connection), encode("one"));
  assertEquals(await receive(connection), encode("two"));
  assertEquals(await receive(connection), new Uint8Array());
  const long = await receive(fake("a".repeat(5000)));
  assertEquals(long, encode("a".repeat(1024)));
});

Deno.test("send() sends all of a text, even three bytes at a time", async () => {
  for (const text of ["", "x", "abc", "0123456789", "Grüße 🦕"]) {
    const connection = fake();
    await send(connection, text);
    assertEquals(connection.text, text);
  }
});

Deno.test("answer() quotes what one read gives, and closes", async () => {
  const replies = { "hello": "b'hello'", "it's": `b"it's"`, "": "b''" };
  for (const [message, literal] of Object.entries(replies)) {
    const connection = message ? fake(message, "more") : fake();
    await answer(connection);
    assertEquals(connection.text, `server got: [${literal}]`);
    assert(connection.isClosed);
  }
});

test(
  "bytesLiteral() agrees with Python on 3256 messages",
  "python3",
  async () => {
    const python = `import json, random
random.seed(50008)
alphabets = [bytes(range(256)), b"'\\"\\\\", b"'x", b'"x', b"\\t\\n\\r\\0\\x7f\\x80 ~"]
messages = [bytes([byte]) for byte in range(256)]
for number in range(3000):
    length = random.randint(1, 1024)
    messages.append(bytes(random.choices(alphabets[number % 5], k=length)))
print(json.dumps([[list(message), repr(message)] for message in messages]))`;
    const { stdout } = await new Program("python3", "-c", python).end();
    const pairs: [number[], string][] = JSON.parse(stdout);
    assertEquals(pairs.length, 3256);
    for (const [bytes, literal] of pairs) {
      assertEquals(bytesLiteral(Uint8Array.from(bytes)), literal);
    }
  },
);

test("socket_preview.ts prints its five lines, ten times in a row", async () => {
  for (let count = 0; count < 10; count++) {
    const { code, stdout, stderr } = await run("socket_preview.ts");
    assertEquals([code, stderr], [0, ""]);
    assertEquals(sortLines(stdout), fiveLines);
  }
});

test("the original prints the same five lines", "python3", async () => {
  const original = new Program("python3", "tests/peers/original.py");
  const { code, stdout, stderr } = await original.end();
  assertEquals([code, stderr], [0, ""]);
  assertEquals(sortLines(stdout), fiveLines);
});

/** Preloaded, has a server answer nobody until six are connected. */
function waitForSix() {
  const { listen } = Deno;
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    const listener = listen(options);
    console.log("listening");
    const accept = listener.accept.bind(listener);
    const waiting: Deno.TcpConn[] = [];
    let isHeld = true;
    listener.accept = async () => {
      while (isHeld) isHeld = waiting.push(await accept()) < 6;
      return waiting.shift() ?? await accept();
    };
    return listener;
  }) as typeof Deno.listen;
}

test("socket_preview.ts connects its five clients at the same time", async () => {
  await using script = start(preload(waitForSix), "socket_preview.ts");
  await script.printed("listening\n");
  assertEquals(await exchange("the sixth"), "server got: [b'the sixth']");
  const { code, stdout } = await script.end();
  assertEquals(sortLines(stdout), fiveLines + "listening\n");
  assertEquals(code, 0);
});

test("socket_preview.ts quotes every statement of the original", async () => {
  const source = await readProject("socket_preview.ts");
  const comments = source.match(/\/\/ .*/g)!.join("\n");
  const statements = [
    ["from socket import", "port = 50008", "host = 'localhost'"],
    ["sock = socket(", "sock.bind(('', port))", "sock.listen(5)"],
    ["while True", "conn, addr = sock.accept()", "data = conn.recv(1024)"],
    ["reply = '", "conn.send(reply.encode())"],
    ["sock = socket(", "sock.connect((host, port))", "sock.close()"],
    ["sock.send(name.encode())", "reply = sock.recv(1024)", "print('"],
    ["if __name__ == '__main__'", "from threading import Thread"],
    ["sthread = Thread(target=server)", "sthread.daemon = True"],
    ["sthread.start()", "for i in range(5)", "Thread(target=client"],
  ];
  let place = 0;
  for (const statement of statements.flat()) {
    place = comments.indexOf(statement, place);
    assert(place >= 0, `${statement} is missing, or not in its place`);
  }
});

/** Copies the script into a folder of its own, with a strict deno.json. */
async function runInStrictProject(...commands: string[][]) {
  const folder = await Deno.makeTempDir();
  await Deno.copyFile("socket_preview.ts", `${folder}/socket_preview.ts`);
  const config = {
    compilerOptions: {
      exactOptionalPropertyTypes: true,
      noImplicitReturns: true,
      noPropertyAccessFromIndexSignature: true,
      noUncheckedIndexedAccess: true,
      noUnusedLocals: true,
      noUnusedParameters: true,
      verbatimModuleSyntax: true,
    },
    lint: {
      rules: {
        tags: ["recommended", "jsr"],
        include: ["no-await-in-sync-fn"],
      },
    },
  };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify(config));
  for (const args of commands) {
    const options = { args: [...args, "socket_preview.ts"], cwd: folder };
    const command = new Deno.Command(Deno.execPath(), options);
    const { code, stdout, stderr } = await command.output();
    await Deno.stdout.write(stdout);
    await Deno.stderr.write(stderr);
    if (code !== 0) console.error(`${args[0]} failed`);
  }
  await Deno.remove(folder, { recursive: true });
}

test("socket_preview.ts suits a strict project, without imports", async () => {
  const commands = [
    ["run", "-q", "--no-remote", "--no-npm", "--no-prompt"],
    ["check", "-q"],
    ["lint", "-q"],
    ["fmt", "-q", "--check"],
    ["doc", "-q", "--lint"],
  ];
  commands[0]!.push("--allow-net=localhost:50008");
  const source = `${runInStrictProject}
    await runInStrictProject(...${JSON.stringify(commands)});`;
  const { stdout, stderr } = await new Program(Deno.execPath(), "eval", source)
    .end();
  assertEquals(stderr, "");
  assertEquals(sortLines(stdout), fiveLines);
});

/** Starts the script, and has its server keep running after the five clients. */
async function startScript(...flags: string[]): Promise<Program> {
  const script = start(preload(stay), ...flags, "socket_preview.ts");
  await script.printed(flags.length > 0 ? "listening\n" : "client4");
  return script;
}

test("server() keeps running after resets, and prints a line for each", async () => {
  await using script = await startScript(preload(holdAccepts));
  for (let count = 0; count < 100; count++) await reset();
  await script.closeInput();
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertMatch(script.stderr, /^(NotConnected: .*\n){100}$/);

  await reset("", 500); // half a second is enough for the server to accept it
  await script.printed("ConnectionReset: ");
  assertMatch(
    script.stderr,
    /^(NotConnected: .*\n){100}ConnectionReset: .*\n$/,
  );
  assertEquals(await exchange("hello"), "server got: [b'hello']");
});

test("server() answers others while clients are silent or odd", async () => {
  await using script = await startScript();
  const silent = await connectMany(100);
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  using half = await connect();
  await half.closeWrite();
  assertEquals(await readAll(half), "server got: [b'']");
  using long = await connect();
  await long.write(new Uint8Array(5000).fill(97));
  assertEquals(await readOnce(long), `server got: [b'${"a".repeat(1024)}']`);
  const numbers = Array.from({ length: 100 }, (_, i) => `${i}`);
  const replies = await Promise.all(numbers.map(exchange));
  assertEquals(replies, numbers.map((i) => `server got: [b'${i}']`));
  for (const connection of silent) connection.close();
  assertEquals(script.stderr, "");
});

test("server() waits for 5 ms if an accept fails for an unknown reason", async () => {
  const failures: [number, string][] = ["NotConnected", "EMFILE", "EINVAL"].map(
    (kind) => [0, kind],
  );
  await using script = start(
    preload(stay),
    preload(failAccepts, 5, failures),
    "socket_preview.ts",
  );
  await script.printed("client4");
  assertEquals(await exchange("hello"), "server got: [b'hello']");
  assertEquals(sortLines(script.stdout), `5 ms\n5 ms\n${fiveLines}`);
  const lines = [
    "NotConnected: simulated",
    ...Array(2).fill("TypeError: simulated"),
  ];
  assertEquals(script.stderr, lines.join("\n") + "\n");
});

/** What `client()` sends, and prints, if a server replies with some bytes. */
async function clientBeside(name: string, reply: string) {
  using listener = listen();
  const { log } = console;
  const printed: string[] = [];
  console.log = (line: string) => printed.push(line);
  const clientEnd = client(name).finally(() => console.log = log);
  using connection = await listener.accept();
  const sent = await readOnce(connection);
  if (reply) await connection.write(encode(reply));
  else await connection.closeWrite();
  const afterwards = await readAll(connection); // ends if the client closes
  await clientEnd;
  return { sent, afterwards, printed };
}

test("client() sends its name, prints the reply, and closes", async () => {
  assertEquals(await clientBeside("Grüße", "it's"), {
    sent: "Grüße",
    afterwards: "",
    printed: [`client got: [b"it's"]`],
  });
});

test("client() prints an empty reply if the server sends none", async () => {
  const { printed } = await clientBeside("x", "");
  assertEquals(printed, ["client got: [b'']"]);
});

test("client() rejects with ConnectionRefused if no server is listening", async () => {
  await assertRejects(() => client("anyone"), Deno.errors.ConnectionRefused);
});
