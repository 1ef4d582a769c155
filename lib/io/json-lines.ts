/** Logs with one JSON value a line, which survive being cut off while written. */

import { access, mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { readBytes, writeAtomic } from "./files.ts";

/**
 * Adds one line, creating the file and its folder where missing. A last line that was cut off earlier is removed
 * first, so that the file stays readable. NaN and infinities are written as null. One writer at a time.
 */
export async function appendJsonLine(path: string, entry: object): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, "a+");
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    let separator = "";
    if (size > 0 && last[0] !== 0x0a) {
      const bytes = await readBytes(path);
      const start = bytes.lastIndexOf(0x0a) + 1;
      if (parse(new TextDecoder().decode(bytes.subarray(start))) === undefined) await handle.truncate(start);
      else separator = "\n";
    }
    await handle.write(`${separator}${JSON.stringify(entry)}\n`);
  } finally {
    await handle.close();
  }
}

/**
 * Reads every line. A last line without its newline that is no complete JSON was cut off while written: it is left
 * out. The entries' type is taken on trust.
 * @throws naming the file when it is missing, and the line that is not JSON.
 */
export async function readJsonLines<T = unknown>(path: string): Promise<T[]> {
  const lines = new TextDecoder().decode(await readBytes(path)).split("\n");
  const entries: T[] = [];
  lines.forEach((line, i) => {
    const value = parse(line);
    if (value !== undefined) entries.push(value as T);
    else if (line.trim() !== "" && i !== lines.length - 1) {
      throw new Error(`Line ${i + 1} of ${path} is not JSON: ${JSON.stringify(line.slice(0, 80))}`);
    }
  });
  return entries;
}

/**
 * Rewrites the file with the entries to keep, for example those up to a checkpoint's step. Nothing happens where
 * the file is missing.
 * @returns how many entries were dropped
 * @throws naming the line that is not JSON.
 */
export async function truncateJsonLines<T = unknown>(
  path: string,
  keep: (entry: T) => boolean,
): Promise<number> {
  const missing = await access(path).then(
    () => false,
    () => true,
  );
  if (missing) return 0;
  const entries = await readJsonLines<T>(path);
  const kept = entries.filter(keep);
  await writeAtomic(path, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(""));
  return entries.length - kept.length;
}

/** JSON never stands for undefined, so that undefined can mean "not JSON". */
function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
