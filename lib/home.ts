/** The folder for what is kept between runs: downloads and compiled programs. */
import { homedir } from "node:os";
import { join } from "node:path";

/** The folder for downloaded files: `DITLAB_HOME`, or `~/.cache/ditlab`; `parts` are appended. */
export function cacheFolder(...parts: string[]): string {
  return join(process.env.DITLAB_HOME || join(homedir(), ".cache", "ditlab"), ...parts);
}
