/**
 * Finds out which tests can run here. Without the permissions that they need, a
 * run fails, and says what to do.
 *
 * @module
 */

import { listen, root } from "./helpers.ts";

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
export const test = (canRun ? Deno.test : () => {}) as typeof Deno.test;

export const hasPython = canRun && await succeeds("python3", "-c", "");
export const hasUnshare = canRun &&
  await succeeds("sh", "-c", "unshare -rnm ip link set lo up");

async function succeeds(command: string, ...args: string[]): Promise<boolean> {
  const options = { args, stdout: "null", stderr: "null" } as const;
  const result = new Deno.Command(command, options).output();
  return await result.then(({ success }) => success, () => false);
}
