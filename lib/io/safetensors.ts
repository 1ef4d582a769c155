/** The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes. */

import { widenHalf } from "./convert.ts";
import { addArray, codeOfDType, dtypeOfCode, UnsupportedType } from "./dtypes.ts";
import { openForReading, readExactly, writePartsAtomic } from "./files.ts";
import {
  bytesPerElement,
  elementCount,
  fromBytes,
  type NdArray,
  type NumericDType,
  toBytes,
} from "./ndarray.ts";

/** The reference implementation's limit: beyond it the first 8 bytes are no header length. */
const maximalHeader = 100_000_000;

interface Entry {
  name: string;
  /** Undefined where it is one that is not read. */
  dtype: NumericDType | undefined;
  /** The file's name of the element type. */
  code: string;
  shape: number[];
  begin: number;
  end: number;
}

export interface SafetensorsFile {
  /** In the order of the bytes in the file. One of a type that is not read throws when it is asked for. */
  tensors: Record<string, NdArray<NumericDType>>;
  metadata: Record<string, string>;
}

/** A file whose tensors are read one at a time. */
export interface OpenSafetensors {
  readonly metadata: Record<string, string>;
  /** In the order of the bytes in the file. */
  readonly tensors: ReadonlyMap<
    string,
    {
      /** Undefined where it is one that is not read. */
      readonly dtype: NumericDType | undefined;
      readonly shape: readonly number[];
    }
  >;
  /** The numbers of a tensor of this file. */
  read(name: string): Promise<NdArray<NumericDType>>;
  /** Some rows of a tensor along its first axis, counted from 0, in the order in which they are asked for. */
  readRows(name: string, rows: ArrayLike<number>): Promise<NdArray<NumericDType>>;
  close(): Promise<void>;
}

/**
 * Opens a safetensors file; of its tensors nothing is read but where they lie.
 * @throws naming the file, and the tensor where it is one: on a truncated file or header, a header that is not the
 * expected JSON or names something twice, offsets that do not fit the shape, overlap, leave gaps or leave the file. An
 * element type that is not read is an error of the one tensor, when it is read.
 */
export async function openSafetensors(path: string): Promise<OpenSafetensors> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    if (size < 8)
      throw new Error(`${path} is not a safetensors file: it has ${size} bytes, expected at least 8`);
    const prefix = await readExactly(handle, path, 0, 8);
    const length = Number(new DataView(prefix.buffer).getBigUint64(0, true));
    if (length > maximalHeader) {
      throw new Error(`${path} is not a safetensors file: its header length would be ${length} bytes`);
    }
    if (8 + length > size) {
      throw new Error(`${path} is truncated: its header has ${length} bytes, got ${size - 8}`);
    }
    const { entries, metadata } = parseHeader(await readExactly(handle, path, 8, length), path);
    checkLayout(entries, size - 8 - length, path);
    const tensors = new Map(entries.map((entry) => [entry.name, entry]));
    const entryOf = (name: string) => {
      const entry = tensors.get(name);
      if (!entry) throw new Error(`${path} has no tensor "${name}"`);
      const { dtype, code, shape, begin, end } = entry;
      if (!dtype)
        throw new UnsupportedType(
          `Tensor "${name}" of ${path} has the element type ${shown(code)}, which is not read`,
        );
      return { dtype, shape, start: 8 + length + begin, bytes: end - begin };
    };
    return {
      metadata,
      tensors,
      close: () => handle.close(),
      async read(name) {
        const { dtype, shape, start, bytes } = entryOf(name);
        return fromBytes(await readExactly(handle, path, start, bytes), shape, dtype);
      },
      async readRows(name, rows) {
        const { dtype, shape, start, bytes } = entryOf(name);
        const [count = 0, ...rest] = shape;
        const size = bytes / Math.max(1, count);
        const all = new Uint8Array(rows.length * size);
        const readRow = async (row: number, i: number): Promise<void> => {
          if (!(Number.isInteger(row) && row >= 0 && row < count))
            throw new RangeError(`Tensor "${name}" of ${path} has ${count} rows, got row ${row}`);
          all.set(await readExactly(handle, path, start + row * size, size), i * size);
        };
        await Promise.all(Array.from(rows, readRow));
        return fromBytes(all, [rows.length, ...rest], dtype);
      },
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/**
 * Reads a whole safetensors file.
 * @param options.widenHalf returns floats of 16 and 8 bits as float32; as their bit patterns by default
 * @throws as `openSafetensors` does.
 */
export async function readSafetensors(
  path: string,
  options: { widenHalf?: boolean } = {},
): Promise<SafetensorsFile> {
  const file = await openSafetensors(path);
  try {
    const tensors: Record<string, NdArray<NumericDType>> = {};
    for (const name of file.tensors.keys()) {
      const array = await file.read(name).catch((error: Error) => error);
      addArray(tensors, name, () => {
        if (array instanceof Error) throw array;
        return options.widenHalf ? (widenHalf(array) as NdArray<NumericDType>) : array;
      });
    }
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
}

function parseHeader(
  bytes: Uint8Array,
  path: string,
): { entries: Entry[]; metadata: Record<string, string> } {
  let header: unknown;
  let json: string;
  try {
    json = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    header = JSON.parse(json);
  } catch (error) {
    throw new Error(`${path} is not a safetensors file: its header is not JSON`, { cause: error });
  }
  const twice = duplicateKey(json);
  if (twice !== undefined) throw new Error(`${path} has the name ${shown(twice)} twice in its header`);
  if (!isObject(header))
    throw new Error(`${path} is not a safetensors file: its header is not a JSON object`);
  const { __metadata__: metadata = {}, ...descriptions } = header;
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    throw new Error(`${path} has metadata that are not strings`);
  }
  const entries = Object.entries(descriptions).map(([name, entry]) => parseEntry(name, entry, path));
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  return { entries, metadata: metadata as Record<string, string> };
}

/** A name that an object of some JSON has twice, of which a parser would keep the last. */
function duplicateKey(json: string): string | undefined {
  const objects: Set<string>[] = [];
  for (let i = 0; i < json.length; i++) {
    if (json[i] === "{") objects.push(new Set());
    else if (json[i] === "}") objects.pop();
    if (json[i] !== '"') continue;
    const start = i;
    for (i++; json[i] !== '"'; i++) if (json[i] === "\\") i++;
    let next = i + 1;
    while (/\s/.test(json[next] ?? "")) next++;
    if (json[next] !== ":") continue;
    const [key, keys] = [JSON.parse(json.slice(start, i + 1)) as string, objects[objects.length - 1]];
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}

/** A value in a message, of any length cut to a glance. */
const shown = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 80);

function parseEntry(name: string, entry: unknown, path: string): Entry {
  const where = `Tensor "${name}" of ${path}`;
  const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isObject(entry)) throw new Error(`${where} has no description`);
  const { dtype: code, shape, data_offsets: offsets } = entry;
  if (typeof code !== "string") throw new Error(`${where} has the invalid element type ${shown(code)}`);
  const dtype = dtypeOfCode("safetensors", code);
  if (!Array.isArray(shape) || !shape.every(isSize)) {
    throw new Error(`${where} has the invalid shape ${shown(shape)}`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[1] < offsets[0]) {
    throw new Error(`${where} has the invalid offsets ${shown(offsets)}`);
  }
  const [begin, end] = offsets;
  const count = elementCount(shape, where);
  const expected = dtype ? count * bytesPerElement(dtype) : end - begin;
  if (end - begin !== expected) {
    throw new Error(
      `${where} has ${end - begin} bytes, expected ${expected} for [${shape.join(", ")}] of ${code}`,
    );
  }
  return { name, dtype, code, shape, begin, end };
}

/** The tensors, in order, must cover the bytes after the header without gaps or overlaps. */
function checkLayout(entries: Entry[], available: number, path: string): void {
  let position = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== position) {
      const problem = begin < position ? "overlaps the tensor before it" : "leaves a gap before it";
      throw new Error(`Tensor "${name}" of ${path} ${problem}: it starts at ${begin}, expected ${position}`);
    }
    position = end;
  }
  if (position !== available) {
    const problem = position > available ? "is truncated" : "has trailing bytes";
    throw new Error(`${path} ${problem}: its tensors have ${position} bytes, got ${available}`);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Writes a safetensors file under a temporary name and renames it.
 * @param metadata free text, for example the configuration as JSON
 * @throws naming the array that is no tensor (strings, wrong length).
 */
export async function writeSafetensors(
  path: string,
  tensors: Record<string, NdArray>,
  metadata?: Record<string, string>,
): Promise<void> {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  const parts: Uint8Array[] = [];
  let position = 0;
  for (const [name, array] of sortedForAlignment(tensors, path)) {
    const code = codeOfDType("safetensors", array.dtype);
    const bytes = toBytes(array);
    header[name] = { dtype: code, shape: array.shape, data_offsets: [position, position + bytes.length] };
    position += bytes.length;
    parts.push(bytes);
  }
  const text = Buffer.from(JSON.stringify(header));
  // Padded with spaces so that the tensors start at a multiple of 8, for readers that map the file into memory.
  const start = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8, " ");
  start.writeBigUInt64LE(BigInt(start.length - 8), 0);
  start.set(text, 8);
  await writePartsAtomic(path, [start, ...parts]);
}

/** Wide elements first, then by name, as the reference implementation does: every tensor is aligned. */
function sortedForAlignment(
  tensors: Record<string, NdArray>,
  path: string,
): [string, NdArray<NumericDType>][] {
  const entries = Object.entries(tensors).map(([name, array]): [string, NdArray<NumericDType>] => {
    const problem =
      name === "__metadata__"
        ? "has a reserved name"
        : array.dtype === "string"
          ? "holds strings"
          : elementCount(array.shape) !== array.data.length
            ? `has ${array.data.length} elements, expected ${elementCount(array.shape)}`
            : undefined;
    if (problem) throw new Error(`Cannot write ${path}: tensor "${name}" ${problem}`);
    return [name, array as NdArray<NumericDType>];
  });
  return entries.sort(
    ([nameA, a], [nameB, b]) =>
      bytesPerElement(b.dtype) - bytesPerElement(a.dtype) || (nameA < nameB ? -1 : 1),
  );
}
