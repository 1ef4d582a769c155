/**
 * Files that are written whole or not at all. `write-file-atomic` would not do: it writes once, and on a disk that is nearly
 * full puts what had room in the file's place.
 */
import { randomBytes } from "node:crypto";
import { closeSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { open, realpath, rename, rm, stat } from "node:fs/promises";

const temporaryBeside = (path: string): string => `${path}.${randomBytes(6).toString("hex")}.tmp`;

/** What the disk says where it has no room, as a reader understands it. */
const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: "the disk is full",
  EDQUOT: "the disk quota is used up",
};

/**
 * Written beside the file, which it then replaces; a link stays one, and the file's mode and owner stay.
 * @throws in a sentence where there is no room; the file is as it was
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const old = await stat(target).catch(() => undefined);
  const temporary = temporaryBeside(target);
  try {
    const file = await open(temporary, "wx");
    try {
      await file.writeFile(content);
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
    const reason = REASONS[(error as NodeJS.ErrnoException).code ?? ""];
    if (reason === undefined) throw error;
    throw new Error(`${path} was not written, since ${reason}; what was there is as it was`, {
      cause: error,
    });
  }
}

/** The same at once, for what can be made again: it may be lost with the power. */
export function writeWholeSync(path: string, content: string | Uint8Array): void {
  const temporary = temporaryBeside(path);
  try {
    const file = openSync(temporary, "wx");
    try {
      writeFileSync(file, content);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
