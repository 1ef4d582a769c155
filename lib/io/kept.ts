/** Files of a cache folder that are named by what they hold: found again, and removed when nobody has used them for long. */
import { readdir, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";

/** The name of the file of what has a fingerprint of 64 hexadecimal digits. */
export const keptName = (fingerprint: string): string => `${fingerprint}.safetensors`;

/** Such files, and the halves of them that a killed run was writing. */
const KEPT_FILE = /^[0-9a-f]{64}\.safetensors(\.\d+-\d+\.tmp)?$/;

/** They are large, and what was not used for so long is not missed. */
const UNUSED_MS = 14 * 24 * 3_600_000;

/** Remembers that a file was used now. */
export const noteUse = (path: string): Promise<void> => utimes(path, new Date(), new Date()).catch(() => {});

/** Removes the files of a folder that have not been used for two weeks, and nothing of any other name. */
export async function removeUnused(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const oldest = Date.now() - UNUSED_MS;
  for (const name of names.filter((name) => KEPT_FILE.test(name))) {
    const path = join(folder, name);
    const info = await stat(path).catch(() => undefined);
    if (info && info.mtimeMs < oldest) await rm(path, { force: true }).catch(() => {});
  }
}
