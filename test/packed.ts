/** The package as npm packs it, with its build; once for all tests that use it. */
import { execFile } from "node:child_process";
import { cp, readdir, realpath, symlink } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "./io/helpers.ts";

const run = promisify(execFile);
export const root = fileURLToPath(new URL("..", import.meta.url));

/** npm, or a package's program through it, in a folder. */
export const npm = (cwd: string, ...args: string[]) =>
  run(process.platform === "win32" ? "npm.cmd" : "npm", args, {
    cwd,
    shell: process.platform === "win32",
    maxBuffer: 1e8,
  });

/** What a fresh clone holds of what the build needs. */
const FILES = ["package.json", "build.js", "tsconfig.json", "tsconfig.build.json", "lib", "kernel", "docs"];
const PAGES = ["README.md", "CHANGELOG.md", "LICENSE"];

/** A copy of the sources without dependencies. */
export async function freshClone(): Promise<string> {
  const folder = await realpath(await temporaryFolder());
  for (const file of [...FILES, ...PAGES])
    await cp(join(root, file), join(folder, file), { recursive: true });
  return folder;
}

async function pack(): Promise<string> {
  const folder = await freshClone();
  await symlink(join(root, "node_modules"), join(folder, "node_modules"), "junction");
  await npm(folder, "pack", "--offline");
  const file = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  return join(folder, file!);
}

let made: Promise<string> | undefined;

/** The tarball. */
export function packed(): Promise<string> {
  made ??= pack();
  return made;
}
