/**
 * Registers the tests that use the network: those that this run permits, and
 * for which the machine has all that they need.
 *
 * @module
 */

import { isPortTaken, root } from "./helpers.ts";

// A bare `deno test` grants none of these. Whoever grants some wants all.
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
const isTaken = missing.length === 0 && isPortTaken();

/** Whether the tests that use the network can run. */
export const canRun = missing.length === 0 && !isTaken;

if (missing.length === permissions.length) {
  Deno.test.ignore("tests that use the network: run deno task test", () => {});
} else if (missing.length > 0) {
  Deno.test("the tests have the permissions that they need", () => {
    fail(`no permission for: ${missing.join(", ")}. Run deno task test`);
  });
} else if (isTaken) {
  Deno.test("port 50008 is free", failIfTaken);
}

function failIfTaken() {
  if (isPortTaken()) {
    fail("port 50008 is in use: stop the program that uses it");
  }
}

function fail(message: string): never {
  const error = new Error(message);
  delete error.stack; // it helps nobody here
  throw error;
}

const deno = Deno.execPath();

const isExecutable = `Deno.statSync(Deno.execPath()).mode & 0o111`;
const receivesSignal = `Deno.addSignalListener("SIGTERM", () => Deno.exit(0));
  setTimeout(() => Deno.exit(1), 5000);
  Deno.kill(Deno.pid, "SIGTERM");`;

/** What some tests need, each with a command that succeeds where it is there. */
const probes = {
  "/dev/full": ["sh", "-c", "test -c /dev/full"],
  "file modes": [deno, "eval", `Deno.exit(${isExecutable} ? 0 : 1)`],
  python3: ["python3", "-c", ""],
  signals: [deno, "eval", receivesSignal],
  ulimit: ["sh", "-c", 'ulimit -n 64 && test "$(ulimit -Hn)" = 64'],
  unshare: ["sh", "-c", "unshare -rnm ip link set lo up"],
};
export type Need = keyof typeof probes;

const absent = new Set<string>();
if (canRun) await Promise.all(Object.entries(probes).map(probe));

async function probe([need, [command, ...args]]: [string, string[]]) {
  try {
    const options = { args, stdout: "null", stderr: "null" } as const;
    const { success } = await new Deno.Command(command!, options).output();
    if (!success) absent.add(need);
  } catch {
    absent.add(need); // there is no such command
  }
}

/**
 * Registers a test that uses the network. If the machine lacks something that
 * the test needs, it is ignored, and its name says why.
 */
export function test(name: string, ...rest: [...Need[], () => Promise<void>]) {
  if (!canRun) return;
  const fn = rest.pop() as () => Promise<void>;
  const lacking = (rest as Need[]).filter((need) => absent.has(need));
  const reason = ` (no ${lacking.join(", no ")} here)`;
  Deno.test({
    name: lacking.length > 0 ? name + reason : name,
    ignore: lacking.length > 0,
    fn: async () => {
      failIfTaken();
      await fn();
    },
  });
}
