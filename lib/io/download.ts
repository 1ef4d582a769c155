/** Files from the internet: checked, resumed where they were cut off, and explained where there is no internet. */

import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { exists } from "./files.ts";

/** A checksum: of the content, or of Git's object with it, which is what the hub knows of small files. */
export type Checksum =
  | { sha256: string; md5?: undefined; gitBlob?: undefined }
  | { md5: string; sha256?: undefined; gitBlob?: undefined }
  | { gitBlob: string; sha256?: undefined; md5?: undefined };

/** A file to download. Its checksum is required. */
export type RemoteFile = {
  /** What a person calls it. */
  name: string;
  url: string;
  /** Size, as far as it is known, for messages. */
  bytes?: number;
  /** Where the finished file will be. */
  destination: string;
} & Checksum;

export interface DownloadOptions {
  /** Called now and then with the bytes present and, where known, the bytes in all. */
  onProgress?: (received: number, total: number | undefined) => void;
}

/**
 * Downloads a file unless it is there already. It is written to `<destination>.part`, which a later call continues,
 * and renamed once its checksum is right.
 * @returns the destination
 * @throws an error that names the file, the URL, the size where known and where to put the file by hand: when the
 * server cannot be reached, answers with an error or breaks off, and when the checksum is wrong (also that of a file
 * which was there already).
 */
export async function download(file: RemoteFile, options: DownloadOptions = {}): Promise<string> {
  const { destination } = file;
  if (await exists(destination)) {
    const hash = hashOf(file, (await stat(destination)).size);
    await hashFile(destination, hash);
    const problem = checksumProblem(file, hash);
    if (problem) {
      throw new Error(
        `${destination} is not the expected ${file.name}: ${problem}; delete it to download again`,
      );
    }
    return destination;
  }
  const part = `${destination}.part`;
  let problem: string | undefined;
  try {
    await mkdir(dirname(destination), { recursive: true });
    problem = checksumProblem(file, await fetchPart(file, part, options));
    if (problem === undefined) {
      await rename(part, destination);
      return destination;
    }
    await rm(part, { force: true });
  } catch (error) {
    throw new Error(explain(file, reasonOf(error)), { cause: error });
  }
  throw new Error(explain(file, problem));
}

/** Completes the partial file and returns the hash of all its bytes. */
async function fetchPart(file: RemoteFile, part: string, options: DownloadOptions): Promise<Hash> {
  let present = (await exists(part)) ? (await stat(part)).size : 0;
  const range: Record<string, string> = present > 0 ? { range: `bytes=${present}-` } : {};
  const response = await fetch(file.url, { headers: { "accept-encoding": "identity", ...range } });
  if (response.status === 416) {
    // The part is as long as the file or longer: it is complete or worthless, and starting over settles it.
    await response.body?.cancel();
    await rm(part, { force: true });
    return fetchPart(file, part, options);
  }
  if (!response.ok || response.body === null) {
    await response.body?.cancel();
    throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
  }
  const continues =
    response.status === 206 && response.headers.get("content-range")?.includes(` ${present}-`);
  if (response.status === 206 && !continues)
    throw new Error("the server sent another part than the one asked for");
  if (!continues) present = 0;

  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  const hash = hashOf(file, present + length);
  if (continues) await hashFile(part, hash);
  const total = Number.isNaN(length) ? file.bytes : present + length;
  const handle = await open(part, continues ? "a" : "w");
  try {
    for await (const chunk of response.body) {
      hash.update(chunk);
      await handle.writeFile(chunk);
      present += chunk.length;
      options.onProgress?.(present, total);
    }
  } finally {
    await handle.close();
  }
  return hash;
}

/** The hash of a file's checksum; Git's begins with the size. */
function hashOf({ sha256, md5 }: RemoteFile, size: number): Hash {
  if (sha256 || md5) return createHash(sha256 ? "sha256" : "md5");
  return createHash("sha1").update(`blob ${size}\0`);
}

async function hashFile(path: string, hash: Hash): Promise<void> {
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
}

function checksumProblem(file: RemoteFile, hash: Hash): string | undefined {
  const [algorithm, expected] = file.sha256
    ? ["SHA-256", file.sha256]
    : file.md5
      ? ["MD5", file.md5]
      : ["Git blob's SHA-1", file.gitBlob ?? ""];
  const actual = hash.digest("hex");
  if (actual === expected.toLowerCase()) return undefined;
  return `its ${algorithm} is ${actual}, expected ${expected}`;
}

export function explain(file: Omit<RemoteFile, keyof Checksum>, reason: string): string {
  const size = file.bytes === undefined ? "" : ` (${formatBytes(file.bytes)})`;
  return (
    `Cannot download ${file.name}${size} from ${file.url}: ${reason}. ` +
    `Without a connection, fetch it elsewhere and put it at ${file.destination}`
  );
}

/** fetch says only "fetch failed"; what happened is in the cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  return cause === undefined ? error.message : cause.message || cause.code || error.message;
}

function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  const exponent = Math.min(Math.floor(Math.log10(bytes) / 3), 3);
  return `${(bytes / 1000 ** exponent).toFixed(1)} ${["", "kB", "MB", "GB"][exponent]}`;
}
