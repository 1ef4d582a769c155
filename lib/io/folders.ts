/**
 * Folders that a command fills. A manifest in them, written while they were empty, says what kind of folder it is, what
 * decides its content, and which files in it are ours: nothing else is ever replaced or removed.
 */
import { readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { writeAtomic } from "./files.ts";

/** Its name in the folder. */
export const MANIFEST = "ditlab.json";
const FORMAT = "ditlab-folder/1";

export interface Manifest {
  /** What the folder is, in errors: "run", "comparison". */
  readonly kind: string;
  /** What decides the folder's content, as plain values; a folder is gone on with only for the same. */
  readonly identity: Readonly<Record<string, unknown>>;
  /** Paths of the files made in it, with `/`; a `*` stands for any part of one name. */
  readonly makes: readonly string[];
}

/** Whether there is a folder of this name. */
export const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );

/** What lies in a folder; nothing where there is none. */
export async function contentsOf(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new Error(
      code === "ENOTDIR" ? `${folder} is a file, expected a folder` : `Cannot read ${folder}: ${message}`,
      { cause: error },
    );
  }
}

/** @throws naming the folder, and something that lies in it, unless it is new or empty. */
export async function checkEmpty(folder: string, wanted: string): Promise<void> {
  const [first] = await contentsOf(folder);
  if (first !== undefined)
    throw new Error(
      `${folder} is not empty and no ${wanted} of ditlab (it holds ${first}, but no ${MANIFEST}); expected a new or empty folder`,
    );
}

/** A folder's manifest, if it has one. @throws naming the file where it is damaged. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  let value: (Partial<Manifest> & { format?: string }) | null = null;
  try {
    value = JSON.parse(text);
  } catch {}
  const fits =
    value?.format === FORMAT &&
    typeof value.kind === "string" &&
    Array.isArray(value.makes) &&
    value.makes.every((path) => typeof path === "string") &&
    typeof value.identity === "object" &&
    value.identity !== null;
  if (!fits) throw new Error(`${path} is no manifest of ditlab (${FORMAT}); expected a new or empty folder`);
  const { kind, identity, makes } = value as Manifest;
  return { kind, identity, makes };
}

const writeManifest = (folder: string, manifest: Manifest): Promise<void> =>
  writeAtomic(join(folder, MANIFEST), `${JSON.stringify({ format: FORMAT, ...manifest }, null, 2)}\n`);

/**
 * Claims a folder that is new, empty, or of the same kind already.
 * @returns the manifest that it had, if any; it is for the caller to compare identities
 * @throws naming the folder where it holds anything else.
 */
export async function claimFolder(folder: string, manifest: Manifest): Promise<Manifest | undefined> {
  const found = await readManifest(folder);
  if (found && found.kind !== manifest.kind)
    throw new Error(`${folder} is a ${found.kind} of ditlab, expected a ${manifest.kind} or a new folder`);
  if (!found) await checkEmpty(folder, manifest.kind);
  // What was made under an earlier manifest stays ours, also where this one makes other files.
  const makes = [...new Set([...(found?.makes ?? []), ...manifest.makes])];
  await writeManifest(folder, { ...manifest, identity: found?.identity ?? manifest.identity, makes });
  return found;
}

/** @throws beginning with `what`, and naming the first thing that a folder was made of otherwise. */
export function checkIdentity(found: Manifest, identity: Manifest["identity"], what: string): void {
  for (const [name, value] of Object.entries(identity))
    if (found.identity[name] !== value)
      throw new Error(
        `${what}: its ${name} was ${found.identity[name]}, got ${value}; expected the same, or another folder`,
      );
}

/** Notes another identity in a folder that has been claimed. */
export async function reidentify(folder: string, identity: Manifest["identity"]): Promise<void> {
  const found = await readManifest(folder);
  if (found) await writeManifest(folder, { ...found, identity });
}

const namePattern = (name: string): RegExp =>
  new RegExp(
    `^${name
      .split("*")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*")}$`,
  );

/** Removes the files of a pattern below a folder, then what folders they leave empty. */
async function removeMatching(folder: string, [name, ...rest]: readonly string[]): Promise<void> {
  const pattern = namePattern(name);
  const names = await readdir(folder).catch(() => [] as string[]);
  for (const match of names.filter((other) => pattern.test(other))) {
    const path = join(folder, match);
    if (rest.length === 0) {
      // A folder where a file of ours would be is not ours.
      await rm(path, { force: true }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== "ERR_FS_EISDIR" && error.code !== "EISDIR") throw error;
      });
    } else {
      await removeMatching(path, rest);
      await removeIfEmpty(path);
    }
  }
}

/** Removes a folder unless something is in it, beside its manifest. */
export async function removeIfEmpty(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [""]);
  if (names.some((name) => name !== MANIFEST)) return;
  if (names.length > 0) await rm(join(folder, MANIFEST), { force: true });
  await rmdir(folder).catch(() => {});
}

/** Removes what a manifest says is ours; everything else stays, and so do the folders that hold it. */
export async function removeMade(folder: string, { makes }: Pick<Manifest, "makes">): Promise<void> {
  for (const path of makes) await removeMatching(folder, path.split("/"));
}
