/** What the addon is compiled from: the sources that the npm package ships, and Node's headers. */
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileOf } from "../packages.ts";
import { isMissing, type RunOptions, run } from "../setup-processes.ts";
import { PACKAGE_VERSION } from "./record.ts";

/** Both ship the same sources; one that the project has is taken. */
const PACKAGES = ["@tensorflow/tfjs-node", "@tensorflow/tfjs-node-gpu"];
/** What is used of them: the addon's sources, and the backend that calls it. */
const PARTS = ["binding", "dist", "package.json"];

/**
 * Unpacks a package from the registry, without what it depends on and without its scripts.
 * @throws naming the package, and what npm says
 */
async function fetchPackage(spec: string, folder: string, options: RunOptions): Promise<void> {
  const at = `${folder}.download`;
  await mkdir(at, { recursive: true });
  try {
    const said = await run(
      "npm",
      ["pack", spec, "--ignore-scripts", "--loglevel=error", "--pack-destination", at],
      options,
    );
    await mkdir(folder, { recursive: true });
    const file = join(at, said.trim().split("\n").at(-1)!);
    await run("tar", ["-xzf", file, "--strip-components=1", "-C", folder], options);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(
      isMissing(error)
        ? `${message}, which fetches ${spec}; expected it in PATH`
        : `npm cannot fetch ${spec}: ${message}`,
      { cause: error },
    );
  } finally {
    await rm(at, { recursive: true, force: true });
  }
}

/** The folder of an installed package of the right version, whatever became of its install script. */
export function installedPackage(find = fileOf): { name: string; folder: string } | undefined {
  for (const name of PACKAGES) {
    // Its main file is dist/index.js.
    const folder = resolve(dirname(find(name) ?? ""), "..");
    try {
      const json = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (json.name === name && json.version === PACKAGE_VERSION) return { name, folder };
    } catch {
      // It is not installed.
    }
  }
  return undefined;
}

/** Puts the package's files into a folder: the project's own, else the registry's. @returns where they are from */
export async function putPackage(folder: string, options: RunOptions, find = fileOf): Promise<string> {
  const installed = installedPackage(find);
  if (!installed) {
    const spec = `${PACKAGES[0]}@${PACKAGE_VERSION}`;
    await fetchPackage(spec, folder, options);
    return `${spec} by npm`;
  }
  for (const part of PARTS)
    await cp(join(installed.folder, part), join(folder, part), { recursive: true, dereference: true });
  return `${installed.name}@${PACKAGE_VERSION} in ${installed.folder}`;
}

/** Node's own headers: official builds and distributions lay them beside the program. */
const beside = (): string => resolve(dirname(process.execPath), "../include/node");

/** A folder with Node's headers, fetched into the one given where Node has none. */
export async function headersIn(folder: string, options: RunOptions, own = beside()): Promise<string> {
  if (existsSync(join(own, "node_api.h"))) return own;
  await fetchPackage("node-api-headers", folder, options);
  return join(folder, "include");
}
