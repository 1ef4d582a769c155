/** Folders and ZIP archives of images, with or without labels. */
import { readdir, stat } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { readBytes } from "../io/files.ts";
import { openZip } from "../io/zip.ts";

export interface SourceFile {
  /** Path inside the source, with forward slashes. */
  name: string;
  label: number | null;
}

/** The images, or latents, of a folder or ZIP archive. */
export interface Source {
  /** Absolute. */
  path: string;
  /** In the order of their names, by code units. */
  files: SourceFile[];
  /** The class folders' names, by label; empty where labels come from `dataset.json` or do not exist. */
  classes: string[];
  /** Images of kinds that are not read. */
  others: string[];
  /** The bytes of one of `files`. */
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

export const LABELS_FILE = "dataset.json";
/** Names of images that are decoded: of a GIF the first frame, of a TIFF the first page. */
export const IMAGE_NAME = /\.(jpe?g|png|webp|gif|tiff?)$/i;
/** Names of what may be trained on. */
export const EXAMPLE_NAME = /\.(npy|jpe?g|png|webp|gif|tiff?)$/i;
/** Names of images of other kinds, which are left out, and named. */
const OTHER_IMAGE = /\.(bmp|heic|heif|avif|jxl|jp2|j2k|psd|svg|p[bgpn]m|ico|dng|exr|hdr|tga)$/i;

interface Container {
  names: string[];
  read(name: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Opens a folder or ZIP archive. Labels come from its `dataset.json`, `{"labels": [["path/of.png", 3], ...]}` or
 * `{"labels": null}`; else from its subfolders, numbered in the order of their names; images that lie in no subfolder
 * have none. Files with other extensions, hidden ones, and those of `__MACOSX` are left out.
 * @param pattern which names to take: JPEG, PNG, WebP, GIF and TIFF by default
 * @throws naming the source when it is missing, empty or mixes images inside and outside of subfolders; the entry when
 * an archive's name leaves its folder; and what is wrong with `dataset.json`.
 */
export async function openSource(path: string, pattern: RegExp = IMAGE_NAME): Promise<Source> {
  const info = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `Cannot read ${path}: ${error.code === "ENOENT" ? "there is no such folder or file" : error.message}`,
      { cause: error },
    );
  });
  const container = info.isDirectory() ? await openFolder(path) : await openZip(path).then(fromZip);
  try {
    const names = container.names.filter((name) => pattern.test(name) && !isHidden(name)).sort(byCodeUnits);
    const hasLabels = container.names.includes(LABELS_FILE);
    const listed = hasLabels ? await readLabels(container, join(path, LABELS_FILE)) : undefined;
    if (names.length === 0 && !listed?.size)
      throw new Error(`${path} is empty: it has no files with names like ${pattern.source}`);
    const { files, classes } = hasLabels ? labelled(names, listed, path) : byFolder(names, path);
    const others = container.names
      .filter((name) => OTHER_IMAGE.test(name) && !isHidden(name))
      .sort(byCodeUnits);
    return { path: resolve(path), files, classes, others, read: container.read, close: container.close };
  } catch (error) {
    await container.close();
    throw error;
  }
}

export const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const isHidden = (name: string): boolean =>
  name.split("/").some((part) => part.startsWith(".") || part === "__MACOSX");

async function openFolder(path: string): Promise<Container> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(path, join(entry.parentPath, entry.name)).split(sep).join("/"));
  return { names, read: (name) => readBytes(join(path, name)), close: async () => {} };
}

const fromZip = (zip: Awaited<ReturnType<typeof openZip>>): Container => ({
  names: [...zip.sizes.keys()].filter((name) => !name.endsWith("/")),
  read: zip.read,
  close: zip.close,
});

/** The labels by name; none where the file says `null`. */
async function readLabels(container: Container, path: string): Promise<Map<string, number> | undefined> {
  let content: { labels?: unknown };
  try {
    content = JSON.parse(new TextDecoder().decode(await container.read(LABELS_FILE)));
  } catch (error) {
    throw new Error(`${path} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const labels = content?.labels;
  if (labels === null) return undefined;
  if (!Array.isArray(labels))
    throw new Error(
      `${path} must have "labels", a list of [name, label] or null, got ${JSON.stringify(labels)}`,
    );
  const byName = new Map<string, number>();
  for (const [index, entry] of labels.entries()) {
    const [name, label] = Array.isArray(entry) ? entry : [];
    if (typeof name !== "string")
      throw new Error(`Label ${index} of ${path} must be [name, label], got ${JSON.stringify(entry)}`);
    if (!Number.isInteger(label) || label < 0 || label > 0x7fffffff)
      throw new Error(
        `The label of "${name}" in ${path} must be an integer of 0 or more, got ${JSON.stringify(label)}`,
      );
    if (byName.has(name)) throw new Error(`${path} names "${name}" twice`);
    byName.set(name, label);
  }
  return byName;
}

function labelled(names: string[], labels: Map<string, number> | undefined, path: string) {
  if (!labels) return { files: names.map((name): SourceFile => ({ name, label: null })), classes: [] };
  const present = new Set(names);
  const missing = [...labels.keys()].filter((name) => !present.has(name));
  if (missing.length > 0)
    throw new Error(
      `${join(path, LABELS_FILE)} names ${counted(missing.length, "file")} that ${path} does not have: "${missing[0]}"${missing.length > 1 ? " and others" : ""}`,
    );
  const unlisted = names.filter((name) => !labels.has(name));
  if (unlisted.length > 0)
    throw new Error(
      `${join(path, LABELS_FILE)} has no label for ${counted(unlisted.length, "file")} of ${path}: "${unlisted[0]}"${unlisted.length > 1 ? " and others" : ""}`,
    );
  return { files: names.map((name): SourceFile => ({ name, label: labels.get(name)! })), classes: [] };
}

function byFolder(names: string[], path: string): { files: SourceFile[]; classes: string[] } {
  const folderOf = (name: string): string => name.slice(0, Math.max(name.indexOf("/"), 0));
  const outside = names.find((name) => !name.includes("/"));
  const inside = names.find((name) => name.includes("/"));
  if (outside !== undefined && inside !== undefined)
    throw new Error(
      `${path} has images inside and outside of class folders: "${inside}" and "${outside}"; expected one or the other, or a ${LABELS_FILE}`,
    );
  if (outside !== undefined) return { files: names.map((name) => ({ name, label: null })), classes: [] };
  const classes = [...new Set(names.map(folderOf))].sort(byCodeUnits);
  const indices = new Map(classes.map((name, index) => [name, index]));
  return { files: names.map((name) => ({ name, label: indices.get(folderOf(name))! })), classes };
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
