/** ZIP archives of any size, read piece by piece. */
import type { FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from "yauzl";
import { openForReading, readExactly } from "./files.ts";

/** Deflate makes no more of a byte than this. */
const MOST_INFLATED = 1032;

export interface Zip {
  /** Sizes of the uncompressed files, by name. */
  readonly sizes: ReadonlyMap<string, number>;
  /** A whole file, its checksum verified; a warning, once, where the archive was written without any. */
  read(name: string): Promise<Uint8Array>;
  /** Some bytes of a file that is stored without compression; of others it reads all. */
  readRange(name: string, start: number, length: number): Promise<Uint8Array>;
  /** A file's bytes as they come. */
  stream(name: string): Promise<Readable>;
  close(): Promise<void>;
}

/** Reads of a file that go beyond it, as a damaged archive asks for them, are errors and no exceptions elsewhere. */
class BoundedReader extends RandomAccessReader {
  constructor(
    private readonly handle: FileHandle,
    private readonly size: number,
  ) {
    super();
  }
  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    if (!(position >= 0 && position + length <= this.size)) {
      setImmediate(callback, new Error(`it has ${this.size} bytes, and refers to byte ${position + length}`));
      return;
    }
    this.handle.read(buffer, offset, length, position).then(() => callback(null), callback);
  }
  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.pieces(start, end));
  }
  private async *pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let position = start; position < end; position += PIECE) {
      const piece = Buffer.alloc(Math.min(PIECE, end - position));
      await new Promise<void>((resolve, reject) => {
        this.read(piece, 0, piece.length, position, (error) => (error ? reject(error) : resolve()));
      });
      yield piece;
    }
  }
}

/** Archives without checksums that have been spoken of. */
const unchecked = new Set<string>();

/** Bytes that a stream reads at a time. */
const PIECE = 2 ** 16;

/**
 * Opens an archive.
 * @param kind what errors say it is not, for example "a PyTorch file"
 * @throws naming the archive: where it is none, or damaged, or has names that leave its folder or occur twice.
 */
export async function openZip(path: string, kind = "a ZIP archive"): Promise<Zip> {
  const handle = await openForReading(path);
  const { size } = await handle.stat();
  const explained = async <T>(action: Promise<T>, what = `${path} is not ${kind}`): Promise<T> =>
    action.catch((error: Error) => {
      throw new Error(`${what}: ${error.message}`, { cause: error });
    });
  const entries = new Map<string, Entry>();
  let zip: ZipFile;
  try {
    zip = await explained(
      fromRandomAccessReaderPromise(new BoundedReader(handle, size), size, { autoClose: false }),
    );
    await explained(
      (async () => {
        for await (const entry of zip.eachEntry()) {
          if (entries.has(entry.fileName)) throw new Error(`it has two files '${entry.fileName}'`);
          const { compressedSize, uncompressedSize } = entry;
          if (compressedSize > size || uncompressedSize > MOST_INFLATED * compressedSize + MOST_INFLATED)
            throw new Error(`'${entry.fileName}' would have ${uncompressedSize} bytes`);
          entries.set(entry.fileName, entry);
        }
      })(),
    );
  } catch (error) {
    await handle.close();
    throw error;
  }

  // As PyTorch writes them when told to leave checksums out: not one entry has any.
  const filled = [...entries.values()].filter(({ uncompressedSize }) => uncompressedSize > 0);
  const hasChecksums = filled.length === 0 || filled.some(({ crc32 }) => crc32 !== 0);
  const mentionUnchecked = (): void => {
    if (unchecked.has(path)) return;
    unchecked.add(path);
    process.emitWarning(`${path} was saved without checksums: damage to its numbers would go unnoticed`);
  };

  const find = (name: string): Entry => {
    const entry = entries.get(name);
    if (!entry) throw new Error(`${path} has no '${name}'`);
    return entry;
  };
  const damaged = (name: string): string => `'${name}' of ${path} is damaged`;
  const startOf = async (name: string): Promise<number> =>
    (await explained(zip.readLocalFileHeaderPromise(find(name), { minimal: true }), damaged(name)))
      .fileDataStart;

  const archive: Zip = {
    sizes: new Map([...entries].map(([name, { uncompressedSize }]) => [name, uncompressedSize])),
    async read(name) {
      const { compressionMethod, uncompressedSize, crc32: expected } = find(name);
      const bytes =
        compressionMethod === 0
          ? await readExactly(handle, path, await startOf(name), uncompressedSize)
          : await explained(inflated(await archive.stream(name), uncompressedSize), damaged(name));
      if (!hasChecksums) mentionUnchecked();
      else if (crc32(bytes) !== expected) throw new Error(`${damaged(name)}: its checksum is wrong`);
      return bytes;
    },
    async readRange(name, start, length) {
      const { compressionMethod, uncompressedSize } = find(name);
      if (!(start >= 0 && length >= 0 && start + length <= uncompressedSize))
        throw new RangeError(
          `'${name}' of ${path} has ${uncompressedSize} bytes, but bytes ${start} to ${start + length} were asked for`,
        );
      if (compressionMethod !== 0) return (await archive.read(name)).subarray(start, start + length);
      return readExactly(handle, path, (await startOf(name)) + start, length);
    },
    stream: async (name) => explained(zip.openReadStreamPromise(find(name)), damaged(name)),
    close: () => handle.close(),
  };
  return archive;
}

/** All of a stream that has a size; yauzl ends it with an error where it has another. */
async function inflated(stream: Readable, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  let position = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    bytes.set(chunk, position);
    position += chunk.length;
  }
  return bytes;
}
