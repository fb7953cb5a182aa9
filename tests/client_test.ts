import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { exchange, parseNames } from "../client.ts";
import { receive } from "../socket_preview.ts";
import {
  assertTakes,
  connectSilent,
  encode,
  listen,
  narrowConnect,
  readAll,
  replace,
  timeout,
  within,
} from "./helpers.ts";
import { deno, preload, Program, run, succeeds } from "./program.ts";

const address = "localhost:50008";
const usage = `Usage: client.ts [-h | --help] [NAME ...]
Sends each NAME to ${address}, and prints up to 1024 bytes of each reply.
Without a NAME, sends client:process=PID. Put -- before names that begin with -.
`;
const noServer = `no server on ${address}: start server.ts`;

Deno.test("parseNames() returns each name as it was typed", () => {
  const names = ["Alice", "007", "1e3", "true", "-", "Alice", " "];
  const more = ["--count", "-h", "--", "12", "--_=x", "- x", "é".repeat(512)];
  assertEquals(parseNames([...names, "--", ...more]), [...names, ...more]);
  assertEquals(parseNames([]), [`client:process=${Deno.pid}`]);
  for (const help of ["-h", "--help"]) {
    assertEquals(parseNames(["Alice", help]), undefined);
  }
});

Deno.test("parseNames() says which argument is wrong", () => {
  const options = ["--loud", "-5", "-hx", "--helpful", "--no-help", "--_x=1"];
  for (const option of [...options, "- x"]) {
    const parsing = () => parseNames(["Alice", option, "--other"]);
    const { message } = assertThrows(parsing, Error);
    assertEquals(message, `no such option: "${option}"`);
  }
  const sizes = { "": 0, [`${"é".repeat(512)}x`]: 1025 };
  for (const [name, size] of Object.entries(sizes)) {
    const { message } = assertThrows(() => parseNames(["Alice", name]), Error);
    assertEquals(message, `a name must have 1 to 1024 bytes, not ${size}`);
  }
});

Deno.test("client.ts prints its usage", { timeout }, async () => {
  const help = await run(deno("client.ts", "Alice", "-h"));
  assertEquals([help.code, help.stdout, help.stderr], [0, usage, ""]);
  const problem = "client.ts: a name must have 1 to 1024 bytes, not 0\n";
  const { code, stdout, stderr } = await run(deno("client.ts", "Alice", ""));
  assertEquals([code, stdout, stderr], [2, "", problem + usage]);
});

Deno.test("client.ts says that there is no server", { timeout }, async () => {
  const { code, stdout, stderr } = await run(deno("client.ts", "a\nb", "c"));
  const line = (name: string) => `client.ts: "${name}": ${noServer}`;
  assertEquals(stderr.split("\n").sort(), ["", line("a\\nb"), line("c")]);
  assertEquals([code, stdout], [1, ""]);
});

// In this network of its own, a client can only get the server's port.
const ownNetwork = "unshare -rn sh -c 'ip link set lo up && " +
  'echo 50008 50008 >/proc/sys/net/ipv4/ip_local_port_range && "$@"\' sh';

Deno.test("client.ts does not take itself for a server", {
  timeout,
  ignore: !await succeeds(`${ownNetwork} true`),
}, async () => {
  const command = ["sh", "-c", `${ownNetwork} "$@"`, "sh"];
  const { stderr } = await run([...command, ...deno("client.ts", "Alice")]);
  assertEquals(stderr, `client.ts: "Alice": ${noServer}\n`);
});

Deno.test("client.ts prints replies as they come", { timeout }, async () => {
  using listener = listen();
  await using client = new Program(deno("client.ts", "a", "b", "c"));
  using first = await within(listener.accept(), "a client");
  using second = await within(listener.accept(), "a client");
  using third = await within(listener.accept(), "a client");
  await first.write(encode("1"));
  await client.printed("client got: [b'1']\n");
  await second.closeWrite();
  await client.printed("without a reply\n");
  await third.write(encode("3"));
  await assertTakes(0, async () => { // no timer of ten seconds is left
    const { code, stdout } = await client.end();
    const lines = "client got: [b'1']\nclient got: [b'3']\n";
    assertEquals([code, stdout], [1, lines]);
  });
});

Deno.test("exchange() returns 1024 bytes at most", { timeout }, async () => {
  using listener = listen();
  for (const size of [1, 1024, 2000]) {
    const replying = exchange("Grüße");
    using conn = await listener.accept();
    assertEquals(await receive(conn), encode("Grüße"));
    await conn.write(new Uint8Array(size));
    assertEquals((await replying).length, Math.min(size, 1024));
  }
});

Deno.test("exchange() waits as long as it is told", { timeout }, async () => {
  using listener = listen();
  using _connect = narrowConnect();
  for (const name of ["Alice", "Bobby".repeat(20_000)]) { // too long to send
    await assertTakes(300, async () => {
      const failing = assertRejects(() => exchange(name, 300), Error);
      using conn = await listener.accept();
      const { message } = await failing;
      assertEquals(message, `no reply from ${address} in 0.3 s`);
      const sent = await readAll(conn); // until the client closes
      assertEquals(sent.slice(0, 5), name.slice(0, 5));
    });
  }
});

Deno.test("exchange() waits no longer to connect", {
  timeout,
  ignore: Deno.build.os !== "linux", // others refuse what Linux lets wait
}, async () => {
  using clients = new DisposableStack();
  clients.use(listen(1));
  const connected = await connectSilent(clients, 9);
  assert(connected.length < 9); // the backlog is full
  await assertTakes(300, async () => {
    const { message } = await assertRejects(() => exchange("a", 300), Error);
    assertEquals(message, `no reply from ${address} in 0.3 s`);
  });
});

Deno.test("client.ts waits ten seconds in all", { timeout }, async () => {
  // Only the first timer fires, 40 times sooner: a second one would hang.
  const fast = preload(`const { setTimeout } = globalThis;
    let count = 0;
    globalThis.setTimeout = (fn, milliseconds) =>
      ++count === 1 ? setTimeout(fn, milliseconds / 40) : 0;`);
  using _listener = listen();
  const { code, stderr } = await run(deno(fast, "client.ts", "Alice"));
  const line = `client.ts: "Alice": no reply from ${address} in 10 s\n`;
  assertEquals([code, stderr], [1, line]);
});

Deno.test("exchange() says what else went wrong", { timeout }, async () => {
  using listener = listen();
  const failing = assertRejects(() => exchange("Alice"), Error);
  const conn = await listener.accept();
  await receive(conn);
  conn.close();
  const closed = "the server closed the connection without a reply";
  assertEquals((await failing).message, `${address}: ${closed}`);
  const error = new Error("simulated");
  using _connect = replace(Deno, "connect", () => Promise.reject(error));
  const { message } = await assertRejects(() => exchange("a"), Error);
  assertEquals(message, `${address}: simulated`);
});

Deno.test("Deno and Python print the same, whichever answers", {
  timeout,
  ignore: !await succeeds("python3 --version"),
}, async () => {
  const quotes = `it's "quoted" \\ back\\slash`;
  const names = ["Alice", "Grüße 🦕", quotes, " ", "x".repeat(1000)];
  const python = ["python3", "tests/peers/python_peer.py"];
  const printed: string[][] = [];
  for (const serve of [deno("server.ts"), [...python, "server"]]) {
    await using server = new Program(serve);
    await server.printed("listening");
    for (const talk of [deno("client.ts"), [...python, "client"]]) {
      const { code, stdout, stderr } = await run([...talk, ...names]);
      assertEquals([code, stderr], [0, ""]);
      printed.push(stdout.split("\n").sort());
    }
  }
  assert(printed[0]!.includes(`client got: [b"server got: [b'Alice']"]`));
  assertEquals(printed[0]!.length, names.length + 1);
  assertEquals(printed, Array(4).fill(printed[0]));
});
