/** Files of `torch.save`, read without executing anything: the ZIP format of today and the one before. */

import { isDType, UnsupportedType } from "../dtypes.ts";
import { openForReading, readExactly } from "../files.ts";
import {
  bytesPerElement,
  elementCount,
  fromBytes,
  type NdArray,
  type NumericDType,
  ndarray,
} from "../ndarray.ts";
import { openZip } from "../zip.ts";
import { parsePickle } from "./pickle.ts";
import { describe, type TorchStorage, TorchTensor, torchRules } from "./rebuild.ts";

export interface TorchFile {
  /** What was saved: maps, arrays, plain values, `PythonObject`s, and `TorchTensor`s that have not been read. */
  readonly value: unknown;
  /**
   * The numbers of a tensor of this file, in an array of their own.
   * @throws naming the file: where it is damaged, and where the tensor is none, or of a type that is not read.
   */
  read(tensor: TorchTensor): Promise<NdArray<NumericDType>>;
  close(): Promise<void>;
}

/** Where the bytes of storages lie. */
interface Storages {
  byteOrder: "LE" | "BE";
  bytesOf(storage: TorchStorage): number;
  readRange(storage: TorchStorage, start: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A pickle longer than this describes no model. */
const LONGEST_PICKLE = 2 ** 26;
const ZIP_MAGIC = 0x04034b50;

/**
 * Opens a file of `torch.save`; of its tensors nothing is read but where they lie.
 * @throws naming the file: where it is no such file, is damaged, or calls what it must not.
 */
export async function openTorch(path: string): Promise<TorchFile> {
  const handle = await openForReading(path);
  let head: Uint8Array;
  try {
    const { size } = await handle.stat();
    head = await readExactly(handle, path, 0, Math.min(size, 4));
  } finally {
    await handle.close();
  }
  const isZip = head.length === 4 && Buffer.from(head).readUInt32LE() === ZIP_MAGIC;
  const { value, storages } = await (isZip ? openArchive(path) : openLegacy(path));
  return {
    value,
    close: () => storages.close(),
    read: (tensor) => readTensor(tensor, storages, path),
  };
}

async function openArchive(path: string): Promise<{ value: unknown; storages: Storages }> {
  const zip = await openZip(path, "a PyTorch file");
  try {
    const names = [...zip.sizes.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
    if (names.length !== 1)
      throw new Error(`${path} is not a PyTorch file: it has ${names.length} files 'data.pkl'; expected one`);
    const [name] = names;
    const length = zip.sizes.get(name)!;
    if (length > LONGEST_PICKLE)
      throw new Error(`${path} has a pickle of ${length} bytes; expected at most ${LONGEST_PICKLE}`);
    const folder = name.slice(0, -"data.pkl".length);
    const found = new Map<string, TorchStorage>();
    const { value } = unpickle(await zip.read(name), found, path);
    const order = zip.sizes.has(`${folder}byteorder`)
      ? Buffer.from(await zip.read(`${folder}byteorder`)).toString()
      : "little";
    const file = ({ key }: TorchStorage): string => `${folder}data/${key}`;
    const storages: Storages = {
      byteOrder: order === "big" ? "BE" : "LE",
      bytesOf: (storage) => zip.sizes.get(file(storage)) ?? -1,
      readRange: (storage, start, length) =>
        start === 0 && length === zip.sizes.get(file(storage))
          ? zip.read(file(storage))
          : zip.readRange(file(storage), start, length),
      close: zip.close,
    };
    for (const storage of found.values()) checkStorage(storage, storages, path);
    return { value, storages };
  } catch (error) {
    await zip.close();
    throw error;
  }
}

const unpickle = (bytes: Uint8Array, found: Map<string, TorchStorage>, path: string, start = 0) => {
  try {
    return parsePickle(bytes, torchRules(found), "its pickle", start);
  } catch (error) {
    throw new Error(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
};

const LEGACY_MAGIC = 119547037146038801333356n;
const LEGACY_VERSION = 1001;

/** Five pickles (a number, a version, the machine, the value, the storages' keys), then the storages one by one. */
async function openLegacy(path: string): Promise<{ value: unknown; storages: Storages }> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    const head = await readExactly(handle, path, 0, Math.min(size, LONGEST_PICKLE));
    const found = new Map<string, TorchStorage>();
    let position = 0;
    const next = (): unknown => {
      const { value, end } = unpickle(head, found, path, position);
      position = end;
      return value;
    };
    if (head[0] !== 0x80 || next() !== LEGACY_MAGIC)
      throw new Error(
        `${path} is not a PyTorch file: it begins neither as a ZIP archive nor as PyTorch's older format`,
      );
    const version = next();
    if (version !== LEGACY_VERSION)
      throw new Error(
        `${path} has version ${String(version)} of PyTorch's older format; expected ${LEGACY_VERSION}`,
      );
    const machine = next();
    const value = next();
    const keys = next();
    if (!Array.isArray(keys)) throw new Error(`${path} cannot be read: it has no list of storages`);
    const places = new Map<string, { start: number; bytes: number }>();
    for (const key of keys.map(String)) {
      const storage = found.get(key);
      if (!storage) throw new Error(`${path} cannot be read: no tensor lies in its storage ${key}`);
      const count = await readExactly(handle, path, position, 8);
      const bytes = Number(Buffer.from(count).readBigInt64LE()) * storage.elementBytes;
      position += 8;
      if (!(bytes >= 0 && bytes <= size - position))
        throw new Error(
          `${path} is truncated: it ends at byte ${size}, expected ${bytes} more at byte ${position}`,
        );
      places.set(key, { start: position, bytes });
      position += bytes;
    }
    const storages: Storages = {
      byteOrder: machine instanceof Map && machine.get("little_endian") === false ? "BE" : "LE",
      bytesOf: ({ key }) => places.get(key)?.bytes ?? -1,
      readRange: ({ key }, start, length) =>
        readExactly(handle, path, places.get(key)!.start + start, length),
      close: () => handle.close(),
    };
    for (const storage of found.values()) checkStorage(storage, storages, path);
    return { value, storages };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

function checkStorage(storage: TorchStorage, storages: Storages, path: string): void {
  const { key, count, elementBytes } = storage;
  const expected = count * elementBytes;
  const bytes = storages.bytesOf(storage);
  if (bytes < 0) throw new Error(`${path} is incomplete: it has no storage '${key}'`);
  if (bytes !== expected)
    throw new Error(`${path} is damaged: its storage '${key}' has ${bytes} bytes, expected ${expected}`);
}

/** Reads the bytes between a tensor's first and last element, and puts them in order where they are not. */
async function readTensor(
  tensor: TorchTensor,
  storages: Storages,
  path: string,
): Promise<NdArray<NumericDType>> {
  if (!(tensor instanceof TorchTensor))
    throw new TypeError(
      `${path} has no tensor there but ${describe(tensor)}, of which nothing more is known`,
    );
  const { dtype, shape, strides, offset, storage } = tensor;
  if (!isDType(dtype))
    throw new UnsupportedType(`${path} has a tensor of the element type ${dtype}, which is not read`);
  const size = bytesPerElement(dtype);
  const count = elementCount(shape);
  if (count === 0) return fromBytes(new Uint8Array(0), [...shape], dtype);
  const span = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis], 1);
  const available = Math.floor(storages.bytesOf(storage) / size);
  if (!(offset + span <= available))
    throw new Error(
      `${path} is damaged: a tensor of shape [${shape.join(", ")}] ends at element ${offset + span} of the storage '${storage.key}', which has ${available}`,
    );
  // A view that repeats elements would be larger than what it shows: as in an expanded tensor.
  if (count > MOST_REPEATED * available)
    throw new Error(
      `${path} is damaged: a tensor of shape [${shape.join(", ")}] shows a storage of ${available} elements`,
    );
  const bytes = await storages.readRange(storage, offset * size, span * size);
  const elements = fromBytes(bytes, [span], dtype, storages.byteOrder);
  const { data } = elements;
  if (tensor.negated && !(data instanceof Float32Array || data instanceof Float64Array))
    throw new UnsupportedType(`${path} has a tensor of ${dtype} with its sign kept apart, which is not read`);
  if (tensor.negated) for (let i = 0; i < data.length; i++) data[i] = -data[i];
  return inOrder(elements, shape, strides, dtype);
}

/** How often an expanded tensor may show its elements, on average. */
const MOST_REPEATED = 1024;

/** Elements in row-major order. */
function inOrder(
  { data }: NdArray<NumericDType>,
  shape: readonly number[],
  strides: readonly number[],
  dtype: NumericDType,
): NdArray<NumericDType> {
  const rowMajor = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, n) => product * n, 1));
  if (shape.every((n, axis) => n === 1 || strides[axis] === rowMajor[axis]))
    return ndarray(data as never, [...shape], dtype) as NdArray<NumericDType>;
  const count = elementCount(shape);
  const ordered = new (data.constructor as new (count: number) => typeof data)(count);
  const index = shape.map(() => 0);
  let position = 0;
  for (let i = 0; i < count; i++) {
    ordered[i] = data[position];
    // The next index, the last axis first.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis];
      if (++index[axis] < shape[axis]) break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return ndarray(ordered as never, [...shape], dtype) as NdArray<NumericDType>;
}
