/**
 * Loaded before `socket_preview.ts`, makes its server answer nobody until six
 * are connected at the same time: its own five clients, and an outsider.
 *
 * @module
 */

const { listen } = Deno;

Deno.listen = ((options: Deno.TcpListenOptions) => {
  const listener = listen(options);
  console.error("listening");
  const accept = listener.accept.bind(listener);
  const arrived: Deno.TcpConn[] = [];
  let isOpen = false;
  listener.accept = async () => {
    while (!isOpen && arrived.length < 6) arrived.push(await accept());
    isOpen = true;
    return arrived.pop() ?? await accept();
  };
  return listener;
}) as typeof Deno.listen;
