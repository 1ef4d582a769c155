/**
 * Files that are written whole or not at all. `write-file-atomic` would not do: it writes once, and on a disk that is nearly
 * full puts what had room in the file's place.
 */
import { randomBytes } from "node:crypto";
import { open, realpath, rename, rm, stat } from "node:fs/promises";

/** Whether a text would be longer than V8 can have one: 512 MB. */
export const isTooLong = (error: unknown): boolean =>
  (error as NodeJS.ErrnoException).code === "ERR_STRING_TOO_LONG" ||
  (error instanceof RangeError && error.message === "Invalid string length");

/** Written beside the file, which it then replaces; a link stays one, and the file's mode and owner stay. */
async function replace(path: string, text: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const old = await stat(target).catch(() => undefined);
  const temporary = `${target}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(text);
      if (old) {
        await file.chmod(old.mode);
        // Only root may give a file away; for others it becomes theirs.
        await file.chown(old.uid, old.gid).catch(() => {});
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Writes a file whole or not at all; the error says in a sentence why not. */
export async function writeWhole(path: string, textOf: () => string): Promise<void> {
  try {
    await replace(path, textOf());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = { ENOSPC: "the disk is full", EDQUOT: "the disk quota is used up" }[code ?? ""];
    if (why === undefined && !isTooLong(error)) throw error;
    const reason = why ?? "it would have more than 512 MB";
    throw new Error(`${path} was not written, since ${reason}; what was there is as it was`, {
      cause: error,
    });
  }
}
