/** Completion of what is imported: modules of Node, packages, and files beside the notebook. */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, resolve } from "node:path";

export interface Paths {
  /** Where what is completed begins. */
  readonly start: number;
  readonly names: readonly string[];
}

/** A specifier that is being written. */
const SPECIFIER = /(?:\bfrom|\bimport|\bimport\s*\(|\brequire\s*\(|\bresolve\s*\()\s*(["'`])([^"'`\n]*)$/;
const IMPORTABLE = /\.([cm]?[jt]sx?|json)$/;

interface Manifest {
  readonly name?: string;
  readonly exports?: unknown;
  readonly [kind: string]: unknown;
}

function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch {
    return undefined;
  }
}

/** A folder and those that it is in. */
function* upward(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (dirname(at) === at) return;
  }
}

/** The packages that the manifests above some folders name, and those themselves. */
function packages(folders: readonly string[]): string[] {
  const manifests = folders
    .flatMap((folder) => [...upward(folder)].map(readManifest))
    .filter((manifest) => manifest !== undefined);
  const named = ["dependencies", "devDependencies", "peerDependencies", "optionalDependencies"];
  const names = manifests.flatMap((manifest) => [
    ...(manifest.exports !== undefined && manifest.name ? [manifest.name] : []),
    ...named.flatMap((kind) => Object.keys((manifest[kind] as object | undefined) ?? {})),
  ]);
  return names.filter((name) => !name.startsWith("@types/"));
}

/** What a package exports beside itself: `name/part`. */
function partsOf(name: string, folders: readonly string[]): string[] {
  for (const folder of folders)
    for (const at of upward(folder)) {
      const own = readManifest(at);
      const manifest = own?.name === name ? own : readManifest(join(at, "node_modules", name));
      if (manifest)
        return Object.keys((manifest.exports as object | undefined) ?? {})
          .filter((key) => key.startsWith("./") && !key.includes("*"))
          .map((key) => name + key.slice(1));
    }
  return [];
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith(".") && entry.name !== "node_modules")
      .filter(
        (entry) => entry.isDirectory() || (IMPORTABLE.test(entry.name) && !/\.d\.[cm]?ts$/.test(entry.name)),
      )
      .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name));
  } catch {
    return [];
  }
}

/** What completes the specifier before the cursor; undefined where none is written. */
export function completePath(
  code: string,
  cursor: number,
  importFolders: readonly string[],
): Paths | undefined {
  const before = code.slice(0, cursor);
  const [, , written] = SPECIFIER.exec(before) ?? [];
  if (written === undefined) return undefined;
  const isFile = /^\.{0,2}\//.test(written) || written === "." || written === "..";
  const slash = isFile ? written.lastIndexOf("/") + 1 : 0;
  const [folder, prefix] = [written.slice(0, slash), written.slice(slash)];
  const packageName = /^((?:@[^/]+\/)?[^/]+)\//.exec(written)?.[1];
  const names = isFile
    ? importFolders.slice(0, 2).flatMap((root) => filesIn(resolve(root, folder)))
    : [
        ...builtinModules.filter((name) => !name.startsWith("_")).flatMap((name) => [`node:${name}`, name]),
        ...packages(importFolders),
        ...(packageName && !packageName.startsWith("node:") ? partsOf(packageName, importFolders) : []),
      ];
  const matching = [...new Set(names)].filter((name) => name.startsWith(prefix));
  return { start: cursor - prefix.length, names: matching.sort() };
}
