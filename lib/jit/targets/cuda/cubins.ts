/**
 * Compiled kernels. Their machine code depends on nothing but their text, the compiler and the card's architecture: it is
 * kept on disk under the name of these, with a checksum, beside the other compiled programs.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { digestOf, fingerprint } from "../../../fingerprint.ts";
import { folderOf } from "../onnxruntime/cache.ts";
import type { Compiler } from "./nvrtc.ts";

/** Part of every name: raise it when what is stored changes. */
const FORMAT = 1;
const CHECKSUM_BYTES = 32;

/** Compiles texts for an architecture, or finds what they were compiled to. @throws with the compiler's errors */
export function cubinsOf(openCompiler: () => Compiler, driver: number, architecture: string) {
  const fileOf = (folder: string, text: string): string =>
    join(
      folder,
      `${fingerprint([JSON.stringify([FORMAT, openCompiler().version, driver, architecture]), text])}.cubin`,
    );
  const read = async (file: string): Promise<Buffer | undefined> => {
    try {
      const bytes = await readFile(file);
      const code = bytes.subarray(CHECKSUM_BYTES);
      return digestOf([code]).equals(bytes.subarray(0, CHECKSUM_BYTES)) ? code : undefined;
    } catch {
      return undefined;
    }
  };
  return async (text: string, cache: boolean | string): Promise<Buffer> => {
    const folder = folderOf(cache);
    const file = folder && fileOf(folder, text);
    const known = file && (await read(file));
    if (known) return known;
    const { code } = await openCompiler().compile(text, architecture);
    if (file)
      try {
        await mkdir(folder, { recursive: true });
        await writeFileAtomic(file, Buffer.concat([digestOf([code]), code]), { fsync: false });
      } catch {
        // Compiled again by the next process.
      }
    return code;
  };
}
