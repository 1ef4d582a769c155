/**
 * Where a debugger's front end believes a cell to lie: it has no file, so that its code names it. Front ends compute the
 * same path by themselves from what `debugInfo` says.
 */
import { tmpdir } from "node:os";
import { join, sep } from "node:path";

const MULTIPLIER = 0x5bd1e995;
export const HASH_SEED = 0xc70f6907;
export const HASH_METHOD = "Murmur2";
export const CELL_SUFFIX = ".ts";

/** MurmurHash2 (32 bits) of a text in UTF-8. */
export function murmur2(text: string, seed: number): number {
  const data = Buffer.from(text, "utf8");
  let hash = seed ^ data.length;
  const whole = data.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    let block = Math.imul(data.readInt32LE(at), MULTIPLIER);
    block ^= block >>> 24;
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(block, MULTIPLIER);
  }
  if (data.length > whole) {
    for (let at = whole; at < data.length; at++) hash ^= data[at] << (8 * (at - whole));
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** Names the kernel's process, so that breakpoints of another kernel are not taken for this one's. */
export const cellPrefix = (): string => join(tmpdir(), `ditlab_${process.pid}`) + sep;

export const cellPath = (code: string): string => `${cellPrefix()}${murmur2(code, HASH_SEED)}${CELL_SUFFIX}`;
