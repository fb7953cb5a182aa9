/**
 * Loaded before a program, has its limits run out in an eighth of their time.
 *
 * @module
 */

const { setTimeout } = globalThis;
globalThis.setTimeout =
  ((fn: () => void, milliseconds: number) =>
    setTimeout(fn, milliseconds / 8)) as typeof setTimeout;

const { timeout } = AbortSignal;
AbortSignal.timeout = (milliseconds) =>
  timeout.call(AbortSignal, milliseconds / 8);
