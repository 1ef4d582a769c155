/** What identifies content: the one hash of it that names of cached files and records of what a folder was made of use. */
import { createHash } from "node:crypto";
import type { Params } from "./tensor/params.ts";

/** SHA-256 of texts and arrays, one behind the other. */
export function digestOf(pieces: Iterable<string | NodeJS.ArrayBufferView>): Buffer {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest();
}

/** The same in hexadecimal digits: all 64, or the first ones where it only has to tell a few things apart. */
export const fingerprint = (pieces: Iterable<string | NodeJS.ArrayBufferView>, digits = 64): string =>
  digestOf(pieces).toString("hex").slice(0, digits);

/** The names and numbers of parameters, whatever order they are in. */
export async function contentOfParams(
  params: Params,
  counts: (name: string) => boolean = () => true,
): Promise<(string | NodeJS.ArrayBufferView)[]> {
  const names = Object.keys(params).sort().filter(counts);
  return (await Promise.all(names.map(async (name) => [name, await params[name].data()]))).flat();
}
