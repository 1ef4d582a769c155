/** The optional packages that devices need. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const require = createRequire(import.meta.url);

/** The file that a package's `require` gives, if it is installed. */
export function fileOf(name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}

export const isInstalled = (name: string): boolean => fileOf(name) !== undefined;

/** A package's version, from the package.json above its file. */
export function versionOf(name: string): string | undefined {
  for (let folder = dirname(fileOf(name) ?? ""); folder !== dirname(folder); folder = dirname(folder))
    try {
      const json = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (json.name === name) return json.version;
    } catch {
      // The next folder up.
    }
  return undefined;
}
