/**
 * Loaded before `server.ts`, has its first hundred accepts fail as they do on
 * other systems than Linux for a client that reset before.
 *
 * @module
 */

const { listen } = Deno;
Deno.listen = ((options: Deno.TcpListenOptions) => {
  const listener = listen(options);
  const accept = listener.accept.bind(listener);
  let failures = 0;
  listener.accept = () => {
    if (++failures > 100) return accept();
    return Promise.reject(new Deno.errors.ConnectionAborted("reset"));
  };
  return listener;
}) as typeof Deno.listen;
