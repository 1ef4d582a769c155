/** Event files that TensorBoard shows: TFRecord frames around Event protocol buffers. */

import { type FileHandle, mkdir, open } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import castagnoli from "crc-32/crc32c.js";
import protobuf from "protobufjs";

/** The part of tensorflow/core/util/event.proto and summary.proto that scalars need. */
const eventType = protobuf.Root.fromJSON({
  nested: {
    // As in the original a member of a oneof: a plain field would be left out when it is 0, and the point be lost.
    Value: {
      oneofs: { value: { oneof: ["simpleValue"] } },
      fields: { tag: { type: "string", id: 1 }, simpleValue: { type: "float", id: 2 } },
    },
    Summary: { fields: { value: { rule: "repeated", type: "Value", id: 1 } } },
    Event: {
      fields: {
        wallTime: { type: "double", id: 1 },
        step: { type: "int64", id: 2 },
        fileVersion: { type: "string", id: 3 },
        summary: { type: "Summary", id: 5 },
      },
    },
  },
}).lookupType("Event");

/** An open event file. */
export interface EventFile {
  path: string;
  /** Adds one point to the curve `tag`. It reaches the file at the next flush. NaN and infinities are allowed. */
  scalar(tag: string, value: number, step: number): void;
  /** Writes what was added since the last flush. Once it failed, it fails again with the same error. */
  flush(): Promise<void>;
  /** Flushes and closes. */
  close(): Promise<void>;
}

/**
 * Opens a new event file `events.out.tfevents.<seconds>.<host>` in a folder, which is created where missing. Files
 * of earlier runs stay: TensorBoard joins all files of a folder, so a resumed run continues its curves.
 */
export async function openEventFile(folder: string): Promise<EventFile> {
  await mkdir(folder, { recursive: true });
  const { handle, path } = await createFile(folder);
  let pending: Buffer[] = [encode({ fileVersion: "brain.Event:2" })];
  let writing: Promise<void> = Promise.resolve();
  let closed = false;

  const flush = (): Promise<void> => {
    // Queued one after another: two writes at once could mix their bytes.
    writing = writing.then(async () => {
      const bytes = Buffer.concat(pending);
      pending = [];
      if (bytes.length > 0) await handle.appendFile(bytes);
    });
    return writing;
  };
  await flush();
  return {
    path,
    scalar(tag, value, step) {
      if (closed) throw new Error(`Cannot add "${tag}" to ${path}: it is closed`);
      if (!Number.isSafeInteger(step))
        throw new Error(`The step of "${tag}" must be an integer, got ${step}`);
      pending.push(encode({ step, summary: { value: [{ tag, simpleValue: value }] } }));
    },
    flush,
    async close() {
      if (closed) return;
      closed = true;
      try {
        await flush();
      } finally {
        await handle.close();
      }
    },
  };
}

/** A second file opened within the same second gets a suffix, never the other's name. */
async function createFile(folder: string): Promise<{ handle: FileHandle; path: string }> {
  const name = `events.out.tfevents.${Math.floor(Date.now() / 1000)}.${hostname()}`;
  for (let i = 0; ; i++) {
    const path = join(folder, i === 0 ? name : `${name}.${i}`);
    try {
      return { handle: await open(path, "ax"), path };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function encode(event: Record<string, unknown>): Buffer {
  return frame(eventType.encode({ wallTime: Date.now() / 1000, ...event }).finish());
}

/** One TFRecord: length, its checksum, the data, their checksum (tensorflow/core/lib/io/record_writer.h). */
function frame(data: Uint8Array): Buffer {
  const record = Buffer.alloc(12 + data.length + 4);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** CRC-32C rotated and shifted, so that checksums of data that hold checksums stay meaningful. */
function maskedCrc(data: Uint8Array): number {
  const crc = castagnoli.buf(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
