// The least that a Deno process can do: the floor of what socket_preview.ts takes.
