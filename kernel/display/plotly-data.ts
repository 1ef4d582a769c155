/**
 * A trace's arrays as plotly reads them in base64, where they are of one type of number: typed arrays, arrays with a shape
 * and tensors. As lists they take several times the space, most of all in a notebook, which has a line for each number.
 */

type Trace = Record<string, unknown>;

/** Types of arrays by plotly's names. */
const ELEMENT_TYPES = new Map<unknown, string>([
  [Float32Array, "f4"],
  [Float64Array, "f8"],
  [Int8Array, "i1"],
  [Uint8Array, "u1"],
  [Uint8ClampedArray, "u1"],
  [Int16Array, "i2"],
  [Uint16Array, "u2"],
  [Int32Array, "i4"],
  [Uint32Array, "u4"],
]);
/** Shorter ones stay readable lists. */
const LEAST_ENCODED = 16;

interface Tensor {
  readonly shape: readonly number[];
  dataSync(): ArrayBufferView;
  data(): Promise<ArrayBufferView>;
}
const isTensor = (value: object): value is Tensor =>
  typeof (value as Partial<Tensor>).dataSync === "function" &&
  Array.isArray((value as Partial<Tensor>).shape);

/** Numbers in a row, as an array of a shape: in base64 where they are many and of one type. */
function typed(numbers: object, shape?: readonly number[]): unknown {
  const dtype = ELEMENT_TYPES.get(numbers.constructor);
  const { buffer, byteOffset, byteLength, length } = numbers as Float32Array;
  if (dtype === undefined || length < LEAST_ENCODED) return shape ? { shape, data: numbers } : numbers;
  const bdata = Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength).toString("base64");
  return { dtype, bdata, ...(shape && shape.length > 1 ? { shape: shape.join(", ") } : {}) };
}

/** A tensor's numbers are read at once, or as they come from a GPU: into what stands for them until then. */
function ofTensor(tensor: Tensor, pending: Promise<unknown>[]): unknown {
  try {
    return typed(tensor.dataSync(), tensor.shape);
  } catch {
    const place = {};
    pending.push(tensor.data().then((numbers) => Object.assign(place, typed(numbers, tensor.shape))));
    return place;
  }
}

function encoded(value: unknown, pending: Promise<unknown>[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value))
    return value.every((one) => typeof one === "number") ? value : value.map((one) => encoded(one, pending));
  if (isTensor(value)) return ofTensor(value, pending);
  if (ELEMENT_TYPES.has(value.constructor)) return typed(value);
  const { shape, data } = value as { shape?: unknown; data?: unknown };
  if (Array.isArray(shape) && ArrayBuffer.isView(data)) return typed(data, shape);
  return Object.getPrototypeOf(value) === Object.prototype
    ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, encoded(one, pending)]))
    : value;
}

/** Traces with their arrays encoded; a promise where some lie on a GPU. */
export function encodedTraces(traces: readonly Trace[]): Trace[] | Promise<Trace[]> {
  const pending: Promise<unknown>[] = [];
  const all = traces.map((trace) => encoded(trace, pending)) as Trace[];
  return pending.length === 0 ? all : Promise.all(pending).then(() => all);
}
