/** Kernelspecs: what tells Jupyter of the kernel. */
import { existsSync } from "node:fs";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { capability } from "zeromq";
import { KERNEL_ENVIRONMENT, kernelProgram, packageRoot, packageVersion, resource } from "./build.ts";
import { installLabextension, uninstallLabextension } from "./labextension.ts";
import { dataFolders } from "./paths.ts";

export interface InstallOptions {
  /** The data folder of Jupyter that gets `kernels/<name>`. */
  readonly dataFolder: string;
  readonly name: string;
  readonly displayName: string;
}

export interface InstalledKernel {
  readonly name: string;
  readonly folder: string;
  readonly displayName: string;
  readonly language: string;
  readonly argv: readonly string[];
  /** For kernels of this package: where it was when the kernel was installed. */
  readonly path?: string;
}

const NAME = /^[a-z0-9][a-z0-9._-]*$/;
const RECORD = "ditlab.json";
const LOGO_SIZES = [32, 64];
const logoName = (size: number): string => `logo-${size}x${size}.png`;
/** What a kernelspec of ours consists of; whatever else lies in its folder is its owner's. */
const FILES = ["kernel.json", RECORD, "launcher.cjs", "logo-svg.svg", ...LOGO_SIZES.map(logoName)];

/**
 * Writes a kernelspec that works from any folder; one of the same name is replaced as a whole. Returns its folder. Beside
 * it goes what JupyterLab needs to show its widgets.
 */
export async function installKernel({ dataFolder, name, displayName }: InstallOptions): Promise<string> {
  if (!NAME.test(name))
    throw new Error(
      `kernel name: letters a-z, digits, ".", "_" and "-" expected, got ${JSON.stringify(name)}`,
    );
  const folder = join(dataFolder, "kernels", name);
  if (existsSync(folder) && !existsSync(join(folder, RECORD)))
    throw new Error(`${folder} holds another kernel; choose another name with --name`);
  await mkdir(dirname(folder), { recursive: true });
  const made = await mkdtemp(join(dirname(folder), `.${name}-`));
  try {
    const spec = {
      argv: [process.execPath, join("{resource_dir}", "launcher.cjs"), "{connection_file}"],
      display_name: displayName,
      language: "typescript",
      interrupt_mode: "message",
      env: KERNEL_ENVIRONMENT,
      metadata: { debugger: true, ...(capability.curve ? { supported_encryption: "curve" } : {}) },
    };
    const record = { path: packageRoot(), version: packageVersion() };
    await writeFile(join(made, "kernel.json"), `${JSON.stringify(spec, null, 2)}\n`);
    await writeFile(join(made, RECORD), `${JSON.stringify(record, null, 2)}\n`);
    await cp(resource("launcher.cjs"), join(made, "launcher.cjs"));
    await cp(resource("logo.svg"), join(made, "logo-svg.svg"));
    const { default: sharp } = await import("sharp");
    for (const size of LOGO_SIZES)
      await sharp(resource("logo.svg"), { density: 288 })
        .resize(size, size)
        .png()
        .toFile(join(made, logoName(size)));
    // The folder was made for one user's eyes; other users of a shared Jupyter start the kernel too.
    await chmod(made, 0o755);
    await replaceFolder(folder, made);
    await installLabextension(dataFolder);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
  return folder;
}

/** Puts `made` in the place of `folder`, which stays if that fails; what else lay in it lies in the new one. */
async function replaceFolder(folder: string, made: string): Promise<void> {
  if (!existsSync(folder)) return rename(made, folder);
  const aside = await mkdtemp(join(dirname(folder), `.${basename(folder)}-`));
  const old = join(aside, "old");
  await rename(folder, old);
  try {
    await rename(made, folder);
  } catch (error) {
    await rename(old, folder);
    await rmdir(aside);
    throw error;
  }
  for (const name of await readdir(old))
    if (!FILES.includes(name)) await rename(join(old, name), join(folder, name));
  await removeFiles(old);
  await rmdir(aside);
}

/** Removes the files of a kernelspec, and its folder if nothing else is in it. */
async function removeFiles(folder: string): Promise<void> {
  for (const name of FILES) await rm(join(folder, name), { force: true });
  await rmdir(folder).catch(() => {});
}

/** The kernels that Jupyter finds, the first of a name being the one that it uses. */
export async function listKernels(folders: readonly string[] = dataFolders()): Promise<InstalledKernel[]> {
  const kernels: InstalledKernel[] = [];
  for (const data of folders) {
    const parent = join(data, "kernels");
    if (!existsSync(parent)) continue;
    for (const name of (await readdir(parent)).sort()) {
      const folder = join(parent, name);
      const spec = await readJson(join(folder, "kernel.json"));
      if (!spec || name.startsWith(".")) continue;
      const record = await readJson(join(folder, RECORD));
      kernels.push({
        ...{ name, folder, displayName: String(spec.display_name), language: String(spec.language) },
        argv: Array.isArray(spec.argv) ? spec.argv.map(String) : [],
        ...(record ? { path: String(record.path) } : {}),
      });
    }
  }
  return kernels;
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** What is wrong with a kernel of this package, in a sentence; undefined if nothing is. */
export function problemOf({ path, argv }: InstalledKernel): string | undefined {
  if (path === undefined) return undefined;
  const [node] = argv;
  if (!node || !existsSync(node)) return `its Node.js ${node} is gone; install it again`;
  if (!existsSync(join(path, "package.json")))
    return `${path} is gone, so it works only in folders that have ditlab; install it again`;
  if (!existsSync(kernelProgram(path))) return `${path} is not built: npm run build`;
  return undefined;
}

/** Removes kernels of this package by name, wherever they are; the folders removed. */
export async function uninstallKernel(name: string, folders?: readonly string[]): Promise<string[]> {
  const named = (await listKernels(folders)).filter((kernel) => kernel.name === name);
  const own = named.filter(({ path }) => path !== undefined);
  if (own.length === 0 && named.length > 0) throw new Error(`${named[0].folder} is not a kernel of ditlab`);
  for (const { folder } of own) {
    await removeFiles(folder);
    const dataFolder = dirname(dirname(folder));
    const others = (await listKernels([dataFolder])).filter(({ path }) => path !== undefined);
    if (others.length === 0) await uninstallLabextension(dataFolder);
  }
  return own.map(({ folder }) => folder);
}
