/** What is kept between runs, and where. */
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The folder for what can be made or fetched again (downloads, compiled programs): `DITLAB_HOME`, else `ditlab` in
 * `XDG_CACHE_HOME` or `~/.cache`; `parts` are appended.
 */
export function cacheFolder(...parts: string[]): string {
  const { DITLAB_HOME, XDG_CACHE_HOME } = process.env;
  return join(DITLAB_HOME || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "ditlab"), ...parts);
}
