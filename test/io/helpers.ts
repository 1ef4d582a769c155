import { rmSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";

/** Path of a file in `test/fixtures`. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}

const folders: string[] = [];
process.on("exit", () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A new empty folder, removed when the process ends. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "ditlab-test-"));
  folders.push(folder);
  return folder;
}

/** Fails unless the promise is rejected with an error whose message matches every pattern. */
export async function rejects(promise: Promise<unknown>, ...patterns: RegExp[]): Promise<void> {
  const message = await promise.then(
    () => undefined,
    (error: Error) => error.message,
  );
  if (message === undefined) assert.unreachable(`expected an error like ${patterns[0]}`);
  for (const pattern of patterns) assert.match(message as string, pattern);
}
