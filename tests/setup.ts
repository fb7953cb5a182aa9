/**
 * Finds out which tests can run here. Without the permissions that they need, a
 * run fails, and says what to do.
 *
 * @module
 */

import { listen, root, within } from "./helpers.ts";

const permissions: Deno.PermissionDescriptor[] = [
  { name: "net", host: "localhost:50008" },
  { name: "read", path: root },
  { name: "run", command: Deno.execPath() },
];
const missing: string[] = [];
for (const permission of permissions) {
  const { state } = await Deno.permissions.query(permission);
  if (state !== "granted") missing.push(permission.name);
}

let problem = "";
if (missing.length > 0) {
  problem = `no permission for: ${missing.join(", ")}. Run deno task test`;
} else {
  try {
    listen().close();
  } catch (error) {
    problem = `port 50008: ${(error as Error).message}. Stop its program`;
  }
}
if (problem !== "") {
  // Ends the whole run, so that it says this once.
  Deno.test({ name: problem, sanitizeExit: false, fn: () => Deno.exit(1) });
}

const canRun = problem === "";

/** Registers a test that uses the network or files, if such tests can run. */
export function test(
  name: string,
  fn: () => Promise<void>,
  { ignore = false } = {},
) {
  if (!canRun) return;
  Deno.test({ name, ignore, fn: () => within(fn(), name, 120_000) });
}

/** Whether a command is there, and does what a test needs it for. */
export async function succeeds([command, ...args]: string[]): Promise<boolean> {
  if (!canRun) return false;
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    return (await new Deno.Command(command!, options).output()).success;
  } catch {
    return false; // there is no such command
  }
}
