/** The folder of what a setup makes: undone where it fails, and taken away by name. */
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";

/** Whether a process runs. */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
};

/** Removes what a folder has of some names, and the folder where nothing is left. @returns whether there was any */
export async function removeFrom(folder: string, isGone: (name: string) => boolean): Promise<boolean> {
  const gone = (await readdir(folder).catch(() => [] as string[])).filter(isGone);
  for (const name of gone) await rm(join(folder, name), { recursive: true, force: true });
  // What somebody else has put there stays, with the folder.
  await rmdir(folder).catch(() => {});
  return gone.length > 0;
}

/** Sets something up in a folder; `body` tells each folder in it that it makes, which go where it fails or is stopped. */
export async function undoing<T>(
  folder: string,
  signal: AbortSignal | undefined,
  body: (made: (folder: string) => void) => Promise<T>,
): Promise<T> {
  const made: string[] = [];
  try {
    return await body((path) => made.push(path));
  } catch (error) {
    for (const path of made) await rm(path, { recursive: true, force: true });
    await rmdir(folder).catch(() => {});
    if (signal?.aborted) throw new Error("the setup was stopped, and has left nothing behind");
    throw error;
  }
}
