/** What the pickles of `torch.save` call: tensors become descriptions of where their numbers lie. */
import { elementCount, type NumericDType } from "../ndarray.ts";
import { type Dict, Global, type PickleRules, PythonObject } from "./pickle.ts";

/** A piece of memory that tensors share. */
export interface Storage {
  key: string;
  /** Absent for storages of bytes, whose tensors have their own. */
  dtype: NumericDType | undefined;
  /** Elements; bytes where there is no type. */
  count: number;
}

/** A tensor that has not been read: a view of a storage. */
export class TorchTensor {
  constructor(
    readonly dtype: NumericDType,
    readonly shape: readonly number[],
    /** Elements from one index to the next, for each axis. */
    readonly strides: readonly number[],
    /** Elements before the first. */
    readonly offset: number,
    readonly storage: Storage,
  ) {}
}

const STORAGES: Readonly<Record<string, NumericDType>> = {
  DoubleStorage: "float64",
  FloatStorage: "float32",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
};
const DTYPES: Readonly<Record<string, NumericDType>> = {
  float64: "float64",
  float32: "float32",
  float16: "float16",
  bfloat16: "bfloat16",
  int64: "int64",
  int32: "int32",
  int16: "int16",
  int8: "int8",
  uint64: "uint64",
  uint32: "uint32",
  uint16: "uint16",
  uint8: "uint8",
  bool: "bool",
};

const sizes = (value: unknown, what: string): number[] => {
  if (!Array.isArray(value) || !value.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new Error(`a tensor has the ${what} ${describe(value)}; expected integers of 0 or more`);
  return value;
};
const size = (value: unknown, what: string): number => sizes([value], what)[0];

/** A value in an error: short, whatever it is. */
/** Text of a file in a message: no more than a glance, without what would break the line. */
const printable = (text: string): string => text.slice(0, 40).replace(/[^\x20-\x7e]/g, "?");

const describe = (value: unknown): string => {
  if (value === undefined) return "nothing";
  if (value instanceof Global) return printable(value.name);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(describe).join(", ")}]`;
  return typeof value === "object" && value !== null ? value.constructor.name : printable(String(value));
};

function storageOf(value: unknown): Storage {
  if (value instanceof PythonObject || typeof value !== "object" || value === null || !("key" in value))
    throw new Error(`a tensor lies in ${describe(value)}; expected a storage`);
  return value as Storage;
}

function tensor(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  strides: unknown,
  dtype?: NumericDType,
): TorchTensor {
  const where = storageOf(storage);
  const type = dtype ?? where.dtype;
  if (!type) throw new Error("a tensor has no element type");
  const result = new TorchTensor(
    type,
    sizes(shape, "shape"),
    sizes(strides, "strides"),
    size(offset, "offset"),
    where,
  );
  if (result.strides.length !== result.shape.length)
    throw new Error(`a tensor of shape [${result.shape}] has the strides [${result.strides}]`);
  elementCount(result.shape, "A tensor");
  return result;
}

function dtypeOf(value: unknown): NumericDType {
  const name = describe(value);
  const dtype = Object.hasOwn(DTYPES, name.replace(/^torch\./, ""))
    ? DTYPES[name.replace(/^torch\./, "")]
    : undefined;
  if (!dtype) throw new Error(`a tensor has the element type ${name}, which is not supported`);
  return dtype;
}

const dict = (items?: unknown): Dict => {
  if (items instanceof Map) return new Map(items);
  const pairs = Array.isArray(items) ? items : [];
  return new Map(pairs.filter(Array.isArray).map(([key, value]) => [key, value]));
};

const plain =
  (name: string) =>
  (...args: unknown[]): PythonObject =>
    new PythonObject(name, args);

const bytesOf = (text: unknown): Uint8Array => Uint8Array.from(String(text), (c) => c.charCodeAt(0));

/** All that a pickle of `torch.save` may call. */
const CALLS = new Map<string, (...args: unknown[]) => unknown>([
  [
    "torch._utils._rebuild_tensor",
    (storage, offset, shape, strides) => tensor(storage, offset, shape, strides),
  ],
  [
    "torch._utils._rebuild_tensor_v2",
    (storage, offset, shape, strides) => tensor(storage, offset, shape, strides),
  ],
  [
    "torch._utils._rebuild_tensor_v3",
    (storage, offset, shape, strides, _grad, _hooks, dtype) =>
      tensor(storage, offset, shape, strides, dtypeOf(dtype)),
  ],
  ["torch._utils._rebuild_parameter", (data) => data],
  ["torch._utils._rebuild_parameter_with_state", (data) => data],
  ["torch.Size", (shape) => shape],
  ["collections.OrderedDict", dict],
  ["collections.defaultdict", (_factory, items) => dict(items)],
  ["collections.Counter", dict],
  ["builtins.dict", dict],
  ["builtins.list", (items) => (Array.isArray(items) ? [...items] : [])],
  ["builtins.tuple", (items) => (Array.isArray(items) ? [...items] : [])],
  ["builtins.set", (items) => new Set(Array.isArray(items) ? items : [])],
  ["builtins.frozenset", (items) => new Set(Array.isArray(items) ? items : [])],
  ["_codecs.encode", (text) => bytesOf(text)],
  ...[
    "torch.device",
    "builtins.complex",
    "builtins.slice",
    "builtins.range",
    "builtins.bytearray",
    "datetime.datetime",
    "datetime.timedelta",
    "decimal.Decimal",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib.PurePosixPath",
    "pathlib.PureWindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "numpy.dtype",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
  ].map((name): [string, (...args: unknown[]) => unknown] => [name, plain(name)]),
  // How Python 2 and protocols below 2 make an object of a class.
  [
    "copyreg._reconstructor",
    (type) => new PythonObject(type instanceof Global ? type.name : describe(type), []),
  ],
  [
    "copy_reg._reconstructor",
    (type) => new PythonObject(type instanceof Global ? type.name : describe(type), []),
  ],
  // Python 2 under the names of Python 3, which unpickles them so.
  ["__builtin__.set", (items) => new Set(Array.isArray(items) ? items : [])],
]);

/** The rules of `torch.save`; `storages` receives each storage that occurs. */
export function torchRules(storages: Map<string, Storage>): PickleRules {
  return {
    calls: CALLS,
    persistent(id) {
      if (!Array.isArray(id) || id[0] !== "storage")
        throw new Error(`it refers to ${describe(id)}; expected a storage`);
      const [, type, key, , count] = id;
      const name = type instanceof Global ? type.name : describe(type);
      const [, module, kind] = /^(torch|torch\.cuda|torch\.storage)\.(\w+)$/.exec(name) ?? [];
      const untyped = module === "torch.storage" && kind === "UntypedStorage";
      if (!untyped && !(kind && Object.hasOwn(STORAGES, kind)))
        throw new Error(`it has a storage of type ${name}, which is not supported`);
      const storage: Storage = {
        key: String(key),
        dtype: untyped ? undefined : STORAGES[kind],
        count: size(count, "storage of size"),
      };
      storages.set(storage.key, storages.get(storage.key) ?? storage);
      return storage;
    },
  };
}
