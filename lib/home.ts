/** What is kept between runs, and where. */
import { homedir } from "node:os";
import { join } from "node:path";

/** The folder for downloads and compiled programs: `DITLAB_HOME`, or `~/.cache/ditlab`; `parts` are appended. */
export function cacheFolder(...parts: string[]): string {
  return join(process.env.DITLAB_HOME || join(homedir(), ".cache", "ditlab"), ...parts);
}
