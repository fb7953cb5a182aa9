/**
 * Connects as often as its argument says, all at once, and says nothing, until
 * it is ended.
 *
 * @module
 */

const hostname = "localhost", port = 50008;
for (let count = 0; count < Number(Deno.args[0]); count++) {
  Deno.connect({ hostname, port }).catch(() => {});
}
console.log("silent");
setInterval(() => {}, 1000);
