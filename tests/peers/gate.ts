/**
 * Loaded before `socket_preview.ts`, makes its server answer nobody until five
 * clients are connected at the same time.
 *
 * @module
 */

const { listen } = Deno;

Deno.listen = ((options: Deno.TcpListenOptions) => {
  const listener = listen(options);
  const accept = listener.accept.bind(listener);
  const arrived: Deno.TcpConn[] = [];
  let isOpen = false;
  listener.accept = async () => {
    while (!isOpen && arrived.length < 5) arrived.push(await accept());
    isOpen = true;
    return arrived.pop() ?? await accept();
  };
  return listener;
}) as typeof Deno.listen;
