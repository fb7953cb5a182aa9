/**
 * Loaded before `server.ts`, stops the clock by which it limits what it prints:
 * SIGUSR2 moves it on by 9999 milliseconds, SIGHUP by one.
 *
 * @module
 */

let time = 0;
performance.now = () => time;

function moveOn(milliseconds: number) {
  time += milliseconds;
  console.log(`the clock is at ${time}`);
}

const { listen } = Deno;

// Only once the server listens: Deno waits for the signals of what it preloads.
Deno.listen = ((options: Deno.TcpListenOptions) => {
  Deno.addSignalListener("SIGUSR2", () => moveOn(9999));
  Deno.addSignalListener("SIGHUP", () => moveOn(1));
  return listen(options);
}) as typeof Deno.listen;
