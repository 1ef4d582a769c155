/** Files that `torch.load` reads: the ZIP format of `torch.save`, with tensors, maps, arrays and plain values. */
import { ZipFile } from "yazl";
import { codeOfDType } from "../dtypes.ts";
import { writeStreamAtomic } from "../files.ts";
import { elementCount, type NdArray, type NumericDType, toBytes } from "../ndarray.ts";
import { PythonObject } from "./pickle.ts";

/** What can be written: nested maps, arrays and plain values, and arrays of numbers, which become tensors. */
export type TorchValue =
  | NdArray
  | PythonObject
  | readonly TorchValue[]
  | ReadonlyMap<string | number, TorchValue>
  | { readonly [name: string]: TorchValue }
  | string
  | number
  | boolean
  | null;

const isArray = (value: object): value is NdArray => "dtype" in value && "shape" in value && "data" in value;

/** The pickle of a value (protocol 2), and the arrays that become its storages, by number. */
function pickle(value: TorchValue): { bytes: Uint8Array; storages: NdArray<NumericDType>[] } {
  const parts: Buffer[] = [];
  const storages: NdArray<NumericDType>[] = [];
  const op = (code: string): void => {
    parts.push(Buffer.from(code, "latin1"));
  };
  const global = (module: string, name: string): void => op(`c${module}\n${name}\n`);

  const text = (value: string): void => {
    const utf8 = Buffer.from(value);
    const head = Buffer.from("X\0\0\0\0", "latin1");
    head.writeUInt32LE(utf8.length, 1);
    parts.push(head, utf8);
  };
  const number = (value: number): void => {
    const isInteger = Number.isInteger(value) && !Object.is(value, -0);
    const small = isInteger && Math.abs(value) < 2 ** 31;
    const bytes = Buffer.alloc(small ? 5 : isInteger && Number.isSafeInteger(value) ? 10 : 9);
    if (small) {
      bytes.write("J", 0, "latin1");
      bytes.writeInt32LE(value, 1);
    } else if (bytes.length === 10) {
      bytes.write("\x8a\x08", 0, "latin1");
      bytes.writeBigInt64LE(BigInt(value), 2);
    } else {
      bytes.write("G", 0, "latin1");
      bytes.writeDoubleBE(value, 1);
    }
    parts.push(bytes);
  };
  const tuple = (values: readonly (string | number)[]): void => {
    op("(");
    for (const item of values) write(item, "a tuple");
    op("t");
  };
  const tensor = (array: NdArray, path: string): void => {
    const { dtype, shape, data } = array;
    if (dtype === "string")
      throw new Error(`${path} has the element type ${dtype}, which PyTorch's files do not have`);
    if (elementCount(shape) !== data.length)
      throw new Error(`${path} has ${data.length} elements, expected ${elementCount(shape)}`);
    // What has no class of storages of its own lies in one of bytes, and the tensor says what they are.
    const storage = codeOfDType("storage", dtype) as string | undefined;
    global("torch._utils", storage ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
    op("((");
    text("storage");
    if (storage) global("torch", storage);
    else global("torch.storage", "UntypedStorage");
    text(String(storages.length));
    text("cpu");
    number(storage ? data.length : data.byteLength);
    op("tQ");
    number(0);
    tuple(shape);
    tuple(shape.map((_, axis) => elementCount(shape.slice(axis + 1))));
    op("\x89");
    global("collections", "OrderedDict");
    op(")R");
    if (!storage) global("torch", dtype);
    op("tR");
    storages.push(array as NdArray<NumericDType>);
  };
  const map = (entries: Iterable<readonly [string | number, TorchValue]>, path: string): void => {
    op("}(");
    for (const [key, item] of entries) {
      write(key, path);
      write(item, `${path}.${key}`);
    }
    op("u");
  };

  function write(value: TorchValue, path: string): void {
    if (value === null) op("N");
    else if (typeof value === "string") text(value);
    else if (typeof value === "number") number(value);
    else if (typeof value === "boolean") op(value ? "\x88" : "\x89");
    else if (value instanceof PythonObject) {
      if (value.className !== "argparse.Namespace")
        throw new Error(`${path} is a ${value.className}; of objects only argparse.Namespace can be written`);
      global("argparse", "Namespace");
      op(")\x81");
      map(value.state as Map<string, TorchValue>, path);
      op("b");
    } else if (Array.isArray(value)) {
      op("](");
      value.forEach((item, i) => {
        write(item, `${path}[${i}]`);
      });
      op("e");
    } else if (isArray(value as object)) tensor(value as NdArray, path);
    else if (value instanceof Map) map(value, path);
    else if (typeof value === "object") map(Object.entries(value as Record<string, TorchValue>), path);
    else throw new Error(`${path} is a ${typeof value}, which PyTorch's files do not have`);
  }

  op("\x80\x02");
  write(value, "the value");
  op(".");
  return { bytes: Buffer.concat(parts), storages };
}

/** The same file for the same content. */
const WRITTEN = new Date(Date.UTC(1980, 0, 2));

/**
 * Writes a file for `torch.load`, under a temporary name that is renamed. Maps and objects become dictionaries, arrays
 * of numbers tensors with a storage each.
 * @throws naming the value that cannot be written.
 */
export async function writeTorch(path: string, value: TorchValue): Promise<void> {
  const { bytes, storages } = pickle(value);
  const zip = new ZipFile();
  const add = (name: string, data: Uint8Array): void =>
    zip.addBuffer(Buffer.from(data.buffer, data.byteOffset, data.byteLength), `archive/${name}`, {
      compress: false,
      mtime: WRITTEN,
    });
  add("data.pkl", bytes);
  add("byteorder", Buffer.from("little"));
  storages.forEach((array, i) => {
    add(`data/${i}`, toBytes(array));
  });
  add("version", Buffer.from("3\n"));
  zip.end();
  await writeStreamAtomic(path, () => zip.outputStream);
}
