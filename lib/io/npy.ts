/** NumPy's .npy format, versions 1 to 3 (numpy.lib.format). */

import { codeOfDType, type DType, dtypeOfCode, UnsupportedType } from "./dtypes.ts";
import {
  bytesPerElement,
  elementCount,
  fromBytes,
  type NdArray,
  type NumericDType,
  toBytes,
} from "./ndarray.ts";

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

export interface NpyHeader {
  /** NumPy's type string, for example `<f4`. */
  descr: string;
  fortranOrder: boolean;
  shape: number[];
  /** Where the elements start. */
  dataOffset: number;
}

/**
 * Parses an .npy file. Big-endian and Fortran-ordered arrays come back in this machine's byte order and in row-major
 * order; `<U..` and `|S..` arrays as strings. May share memory with `bytes`.
 * @param name what errors call the file
 * @throws naming the file on a wrong magic number, an unknown version, an unreadable header, an element type without
 * an equivalent (objects, records, complex numbers, dates), and on too few or too many bytes.
 */
export function parseNpy(bytes: Uint8Array, name: string): NdArray {
  const { descr, fortranOrder, shape, dataOffset } = parseNpyHeader(bytes, name);
  const [, order, kind, digits] = /^([<>|=])([A-Za-z])(\d+)$/.exec(descr) ?? [];
  const dtype = dtypeOfCode("numpy", `${kind}${digits}`);
  const isText = kind === "U" || kind === "S";
  if (dtype === undefined && !isText)
    throw new UnsupportedType(`${name} has the element type ${typeName(descr)}, which is not read`);
  const size = dtype ? bytesPerElement(dtype) : Number(digits) * (kind === "U" ? 4 : 1);

  const expected = elementCount(shape, name) * size;
  const data = bytes.subarray(dataOffset);
  if (data.length !== expected) {
    const problem = data.length < expected ? "is truncated" : "has trailing bytes";
    throw new Error(
      `${name} ${problem}: shape [${shape.join(", ")}] of ${descr} has ${expected} bytes, got ${data.length}`,
    );
  }
  const byteOrder = order === ">" ? "BE" : "LE";
  const stored = fortranOrder ? [...shape].reverse() : shape;
  const array: NdArray = dtype
    ? fromBytes(data, stored, dtype, byteOrder)
    : { shape: stored, dtype: "string", data: parseText(data, size, elementCount(shape), descr) };
  return fortranOrder ? transpose(array) : array;
}

/** NumPy's name of a type that has no equivalent here, where the type string does not say it. */
function typeName(descr: string): string {
  const [kind, digits] = [descr.replace(/^[<>|=]/, "").charAt(0), Number(/\d+/.exec(descr)?.[0])];
  const known: Record<string, string> = {
    O: "object",
    V: "void",
    M: "datetime64",
    m: "timedelta64",
    c: `complex${8 * digits}`,
    f: `float${8 * digits}`,
    T: "text of any length",
  };
  return known[kind] ? `${known[kind]} (${descr})` : descr;
}

/** What stands before the elements. Throws as `parseNpy` does. */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  if (bytes.length < 10 || magic.some((value, i) => bytes[i] !== value)) {
    throw new Error(`${name} is not an .npy file: it does not start with \\x93NUMPY`);
  }
  const [major, minor] = [bytes[6], bytes[7]];
  if (major < 1 || major > 3 || minor !== 0) {
    throw new Error(`${name} has .npy version ${major}.${minor}, expected 1.0, 2.0 or 3.0`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = major === 1 ? 10 : 12;
  const length = major === 1 ? view.getUint16(8, true) : bytes.length < 12 ? 0 : view.getUint32(8, true);
  if (start + length > bytes.length) {
    throw new Error(`${name} is truncated: its header has ${length} bytes, got ${bytes.length - start}`);
  }
  const encoding = major === 3 ? "utf-8" : "latin1";
  const text = new TextDecoder(encoding).decode(bytes.subarray(start, start + length)).trim();
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)\b/.exec(text)?.[1];
  const sizes = /'shape'\s*:\s*\(([\dL,\s]*)\)/.exec(text)?.[1];
  if (!/^\{.*\}$/s.test(text) || fortran === undefined || sizes === undefined) {
    throw new Error(`${name} has an unreadable header: ${JSON.stringify(text.slice(0, 80))}`);
  }
  if (descr === undefined)
    throw new UnsupportedType(`${name} holds records, which are not read: ${glance(text)}`);
  // Python 2 wrote long integers as 10L.
  const shape = sizes
    .replaceAll("L", "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  return { descr, fortranOrder: fortran === "True", shape: shape.map(Number), dataOffset: start + length };
}

const glance = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)} ...` : text);

/** Fixed-width text, padded with zeros: UCS-4 (`U`) or bytes (`S`). */
function parseText(bytes: Uint8Array, size: number, count: number, descr: string): string[] {
  const decoder = new TextDecoder("latin1");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const littleEndian = !descr.startsWith(">");
  return Array.from({ length: count }, (_, index) => {
    const start = index * size;
    if (descr.includes("S")) return decoder.decode(bytes.subarray(start, start + size)).replace(/\0+$/, "");
    let text = "";
    for (let i = start; i < start + size; i += 4)
      text += String.fromCodePoint(view.getUint32(i, littleEndian));
    return text.replace(/\0+$/, "");
  });
}

/** Reverses the order of the dimensions, moving the elements. */
function transpose(array: NdArray): NdArray {
  const shape = [...array.shape].reverse();
  const source = array.data;
  const target = Array.isArray(source) ? new Array<string>(source.length) : source.slice();
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < source.length; to++) {
    target[to] = source[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] += 1;
      from += strides[axis];
      if (index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return { shape, dtype: array.dtype, data: target } as NdArray;
}

/** What comes before the elements in an .npy file. */
function header(descr: string, shape: readonly number[]): Uint8Array {
  const dictionary = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const long = dictionary.length > 65_000;
  const start = long ? 12 : 10;
  // NumPy pads with spaces, to a multiple of 64, so that the elements can be memory-mapped.
  const end = Math.ceil((start + dictionary.length + 1) / 64) * 64;
  const text = `${dictionary.padEnd(end - start - 1)}\n`;
  const bytes = Buffer.alloc(end);
  bytes.set([...magic, long ? 2 : 1, 0]);
  if (long) bytes.writeUInt32LE(text.length, 8);
  else bytes.writeUInt16LE(text.length, 8);
  bytes.write(text, start, "latin1");
  return bytes;
}

/**
 * The array as an .npy file (version 1.0; 2.0 where the header needs it), little-endian, row-major. Strings become
 * `<U..` of the longest one's length.
 * @throws on bfloat16 and the floats of 8 bits, which NumPy does not have.
 */
export function formatNpy(array: NdArray): Uint8Array {
  const { descr, bytes } = array.dtype === "string" ? formatText(array.data) : formatNumbers(array);
  return Buffer.concat([header(descr, array.shape), bytes]);
}

/** The bytes of an .npy file before its elements. */
export const npyHeader = (dtype: NumericDType, shape: readonly number[]): Uint8Array =>
  header(descrOf(dtype), shape);

function descrOf(dtype: DType): string {
  const code = codeOfDType("numpy", dtype) as string | undefined;
  if (code === undefined) throw new Error(`NumPy has no element type ${dtype}: convert to float32 first`);
  return `${code.endsWith("1") ? "|" : "<"}${code}`;
}

const formatNumbers = (array: NdArray<NumericDType>): { descr: string; bytes: Uint8Array } => ({
  descr: descrOf(array.dtype),
  bytes: toBytes(array),
});

function formatText(texts: string[]): { descr: string; bytes: Uint8Array } {
  const points = texts.map((text) => Array.from(text, (character) => character.codePointAt(0)!));
  const length = points.reduce((longest, text) => Math.max(longest, text.length), 1);
  const bytes = Buffer.alloc(texts.length * length * 4);
  points.forEach((text, i) => {
    text.forEach((point, j) => {
      bytes.writeUInt32LE(point, (i * length + j) * 4);
    });
  });
  return { descr: `<U${length}`, bytes };
}
