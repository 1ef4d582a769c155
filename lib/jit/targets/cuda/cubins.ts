/**
 * Compiled kernels. Their machine code depends on nothing but their text, the compiler and the card's architecture: it is
 * kept on disk under the name of these, with a checksum, beside the other compiled programs.
 */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, fingerprint } from "../../../fingerprint.ts";
import { writeWhole } from "../../../whole.ts";
import { folderOf } from "../onnxruntime/cache.ts";
import { SETUP } from "./libraries.ts";
import type { Compiler } from "./nvrtc.ts";

/** Part of every name: raise it when what is stored changes. */
const FORMAT = 1;
const CHECKSUM_BYTES = 32;

/** Compiles texts for a card, or finds what they were compiled to. @throws with the compiler's errors */
export function cubinsOf(openCompiler: () => Compiler, driver: number, capability: number) {
  /** The newest that the compiler knows and whose code the card runs: of its own generation, and no newer. */
  const architectureFor = ({ version, architectures }: Compiler): string => {
    const able = architectures.filter(
      (one) => one <= capability && Math.floor(one / 10) === Math.floor(capability / 10),
    );
    if (able.length === 0)
      throw new Error(
        `NVRTC ${version} does not know cards of compute capability ${capability / 10}; expected a newer one, which this brings: ${SETUP}`,
      );
    return `sm_${Math.max(...able)}`;
  };
  const fileOf = (folder: string, text: string): string =>
    join(
      folder,
      `${fingerprint([JSON.stringify([FORMAT, openCompiler().version, driver, capability]), text])}.cubin`,
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
    const compiler = openCompiler();
    const { code } = await compiler.compile(text, architectureFor(compiler));
    if (file)
      try {
        await mkdir(folder, { recursive: true });
        await writeWhole(file, Buffer.concat([digestOf([code]), code]));
      } catch {
        // Compiled again by the next process.
      }
    return code;
  };
}
