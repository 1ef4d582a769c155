/** Where the kernel's program is: beside this file in an installed package, in `dist` in a checkout. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's folder: the nearest with a package.json above this file. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return folder;
}

export const kernelProgram = (root = packageRoot()): string => join(root, "dist/kernel/main.js");

/** glibc gives each compiling thread of V8 an arena of its own, which grow in a long session and are never returned. */
export const KERNEL_ENVIRONMENT = { MALLOC_ARENA_MAX: "1" };

export const packageVersion = (): string =>
  JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")).version;

/** Whether this is a checkout, which has the sources. */
export const isCheckout = (root = packageRoot()): boolean => existsSync(join(root, "kernel/main.ts"));

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs),
  );

/** Whether the build is there and, in a checkout, as new as the sources. */
export function isBuilt(root = packageRoot()): boolean {
  const program = kernelProgram(root);
  if (!existsSync(program)) return false;
  if (!isCheckout(root)) return true;
  return statSync(program).mtimeMs > Math.max(newest(join(root, "lib")), newest(join(root, "kernel")));
}

/** Builds a checkout whose build is missing or old; the kernel's program. Throws with what the compiler said. */
export function ensureBuilt(onBuild: () => void = () => {}): string {
  const root = packageRoot();
  if (isBuilt(root)) return kernelProgram(root);
  onBuild();
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const result = spawnSync(npm, ["run", "build"], {
    cwd: root,
    encoding: "utf8",
    shell: process.platform === "win32",
  });
  if (result.status !== 0)
    throw new Error(
      `npm run build failed in ${root}: ${(result.stdout + result.stderr).trim().slice(-2000)}`,
    );
  return kernelProgram(root);
}
