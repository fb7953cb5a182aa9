/**
 * Loaded before a program, has V8 collect its garbage every second and give the
 * memory back, so that the program's memory is what it needs. V8 by itself does
 * both when it likes.
 *
 * @module
 */

const { gc } = globalThis as unknown as { gc: (options: unknown) => void };
const thoroughly = { type: "major", execution: "sync", flavor: "last-resort" };
// Unreferenced, or the program would not start: Deno first waits for this one.
Deno.unrefTimer(setInterval(() => gc(thoroughly), 1000));
