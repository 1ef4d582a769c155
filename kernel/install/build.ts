/** Where the kernel's program is: beside this file in an installed package, in `dist` in a checkout. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** By which Jupyter knows the kernel, and what it shows for it, unless installed otherwise. */
export const KERNEL_NAME = "ditlab";
export const DISPLAY_NAME = "TypeScript (ditlab)";

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

/** A file of `kernel/install` that is no code of the build. */
export const resource = (name: string): string => join(packageRoot(), "kernel/install", name);

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

/**
 * Builds a checkout whose build is missing or old; the kernel's program. The build takes the old one's place when it is
 * whole, so that kernels that start meanwhile find one. Throws with what the compiler said.
 */
export function ensureBuilt(onBuild: () => void = () => {}): string {
  const root = packageRoot();
  if (isBuilt(root)) return kernelProgram(root);
  onBuild();
  const dist = join(root, "dist");
  // As deep as `dist`, since source maps name the sources relative to themselves.
  const made = join(root, `.dist-${process.pid}`);
  const old = `${made}-old`;
  try {
    const args = [join(root, "build.js"), made];
    const started = new Date();
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
    if (status !== 0)
      throw new Error(`npm run build fails in ${root}: ${(stdout + stderr).trim().slice(-2000)}`);
    // A source that was changed since is newer than this build.
    utimesSync(join(made, "kernel/main.js"), started, started);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(made, dist);
  } catch (error) {
    // Somebody else may have built meanwhile.
    if (!isBuilt(root)) throw error;
  } finally {
    for (const folder of [made, old]) rmSync(folder, { recursive: true, force: true });
  }
  return kernelProgram(root);
}
