/** What the installed package says of itself. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The nearest package.json above this file: the same one from the sources and from the build. */
function packageJson(folder = dirname(fileURLToPath(import.meta.url))): { version: string } {
  try {
    return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  } catch (error) {
    if (dirname(folder) === folder) throw error;
    return packageJson(dirname(folder));
  }
}

export const packageVersion: string = packageJson().version;
