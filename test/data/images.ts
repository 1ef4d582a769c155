/** Folders of small images for tests. */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { encodePng } from "../../lib/data/index.ts";

/** A PNG of one color, with a gradient across. */
export const png = (width: number, height: number, seed: number): Promise<Uint8Array> => {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (seed * 37 + (i % 3) * 50 + Math.floor(i / 3)) % 256,
  );
  return encodePng({ data, width, height });
};

/** Writes files by their paths in a folder. */
export async function writeFiles(folder: string, files: Record<string, Uint8Array | string>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
}
