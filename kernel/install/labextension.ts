/**
 * JupyterLab's part of widgets with a module of their own: anywidget's front end, which otherwise comes with a package for
 * Python. It goes beside the kernels, into the same data folder of Jupyter.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { packageRoot, packageVersion, resource } from "./build.ts";

/** Not anywidget's own name: where that is installed, it is the one that JupyterLab takes. */
export const LABEXTENSION = "ditlab-anywidget";

const folderOf = (dataFolder: string): string => join(dataFolder, "labextensions", LABEXTENSION);
/** What the build has of anywidget. */
const bundled = (name: string): Promise<string> =>
  readFile(join(packageRoot(), "dist/kernel/install/anywidget", name), "utf8");

const isOurs = async (folder: string): Promise<boolean> => {
  try {
    return JSON.parse(await readFile(join(folder, "package.json"), "utf8")).name === LABEXTENSION;
  } catch {
    return false;
  }
};

/** The script that JupyterLab loads. */
async function entry(): Promise<string> {
  const [bundle, license, about] = await Promise.all(["index.js", "LICENSE", "package.json"].map(bundled));
  const { version } = JSON.parse(about) as { version: string };
  const extension = await readFile(resource("labextension.js"), "utf8");
  return `/* anywidget ${version}\n${license.replaceAll("*/", "* /")}*/
(() => {
let makeWidgets;
const define = (_dependencies, factory) => { makeWidgets = factory; };
${bundle}
${extension}
labextension(${JSON.stringify(LABEXTENSION)}, ${JSON.stringify(version)}, makeWidgets);
})();
`;
}

/** Writes the extension into a data folder of Jupyter, in the place of an earlier one. */
export async function installLabextension(dataFolder: string): Promise<void> {
  const folder = folderOf(dataFolder);
  // Somebody else's files under this name stay.
  if (existsSync(folder) && !(await isOurs(folder))) return;
  const script = await entry();
  // Browsers keep scripts by their name.
  const load = `static/remoteEntry.${createHash("sha256").update(script).digest("hex").slice(0, 16)}.js`;
  const about = {
    name: LABEXTENSION,
    version: packageVersion(),
    description: "anywidget's front end, for the TypeScript kernel of ditlab",
    license: "MIT",
    jupyterlab: { extension: true, _build: { load, extension: "./extension" } },
  };
  await rm(join(folder, "static"), { recursive: true, force: true });
  await mkdir(join(folder, "static"), { recursive: true });
  await writeFile(join(folder, load), script);
  await writeFile(join(folder, "package.json"), `${JSON.stringify(about, null, 2)}\n`);
}

/** Removes it from a data folder of Jupyter, and the folders around it if nothing else is in them. */
export async function uninstallLabextension(dataFolder: string): Promise<void> {
  const folder = folderOf(dataFolder);
  if (!(await isOurs(folder))) return;
  await rm(join(folder, "static"), { recursive: true, force: true });
  await rm(join(folder, "package.json"), { force: true });
  for (const empty of [folder, dirname(folder)]) await rmdir(empty).catch(() => {});
}
