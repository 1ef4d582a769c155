/** Whole files of any size, written so that a reader never sees half of one. */

import { createWriteStream } from "node:fs";
import { access, type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { writeWhole } from "../whole.ts";

/** One read or write call takes less than 2 GiB in Node; checkpoints are larger. */
const chunkBytes = 1 << 28;
let temporaryFiles = 0;

/**
 * Reads a whole file. Unlike `fs.readFile` it is not limited to 2 GiB.
 * @throws naming the file when it is missing or unreadable.
 */
export async function readBytes(path: string): Promise<Uint8Array> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    return await readExactly(handle, path, 0, size);
  } finally {
    await handle.close();
  }
}

/**
 * Opens a file for reading.
 * @throws naming the file when it is missing, a folder or unreadable.
 */
export async function openForReading(path: string): Promise<FileHandle> {
  try {
    const handle = await open(path, "r");
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`Cannot read ${path}: ${code === "ENOENT" ? "there is no such file" : message}`, {
      cause: error,
    });
  }
  throw new Error(`Cannot read ${path}: it is not a file`);
}

/**
 * Reads `length` bytes at `position`.
 * @throws naming the file when it ends before.
 */
export async function readExactly(
  handle: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(
      bytes,
      done,
      Math.min(chunkBytes, length - done),
      position + done,
    );
    if (bytesRead === 0) {
      throw new Error(
        `${path} is truncated: it ends at byte ${position + done}, expected ${position + length}`,
      );
    }
    done += bytesRead;
  }
  return bytes;
}

/** Whether something lies at a path. */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The first of some names that a folder has, as a path. */
export async function firstIn(folder: string, names: readonly string[]): Promise<string | undefined> {
  for (const name of names) if (await exists(join(folder, name))) return join(folder, name);
  return undefined;
}

/** Writes a file under a temporary name and renames it. Missing folders are created. */
export async function writeAtomic(path: string, data: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeWhole(path, data);
}

/**
 * Like `writeAtomic`, for files put together from parts, which may be larger than the 2 GiB that one array of bytes has.
 */
export async function writePartsAtomic(path: string, parts: Iterable<Uint8Array>): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  temporaryFiles += 1;
  const temporary = `${path}.${process.pid}-${temporaryFiles}.tmp`;
  try {
    const handle = await open(temporary, "wx");
    try {
      for (const part of parts) {
        for (let done = 0; done < part.length; ) {
          const { bytesWritten } = await handle.write(part, done, Math.min(chunkBytes, part.length - done));
          done += bytesWritten;
        }
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Like `writeAtomic`, for content that comes as a stream; it is made when there is a file to write to. */
export async function writeStreamAtomic(path: string, stream: () => NodeJS.ReadableStream): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  temporaryFiles += 1;
  const temporary = `${path}.${process.pid}-${temporaryFiles}.tmp`;
  try {
    await pipeline(stream(), createWriteStream(temporary, { flags: "wx" }));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
