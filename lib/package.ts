/** What the installed package says of itself. */
import { readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
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

/** Whether this is ditlab's own checkout, and not a package that others have installed. */
const isCheckout = !fileURLToPath(import.meta.url)
  .split(sep)
  .includes("node_modules");

/**
 * What makes optional packages come, as a command. In a checkout npm takes them for there, because `package.json` names
 * them, unless it is told where they belong.
 */
export const installCommand = (names: readonly string[]): string =>
  `npm install ${isCheckout ? "--no-save --save-dev " : ""}${names.join(" ")}`;
