/** What the pickles of `torch.save` call: tensors become descriptions of where their numbers lie. */
import { dtypeOfCode, type NumericDType } from "../dtypes.ts";
import { bytesPerElement, elementCount } from "../ndarray.ts";
import { type Dict, Global, type PickleRules, PythonObject } from "./pickle.ts";

/** A piece of memory that tensors share. */
export interface TorchStorage {
  key: string;
  /** PyTorch's name of its elements' type; `bytes` where each tensor brings its own. */
  dtype: string;
  elementBytes: number;
  /** Elements. */
  count: number;
}

/** A tensor that has not been read: a view of a storage. */
export class TorchTensor {
  constructor(
    /** PyTorch's name where it is one that is not read, such as `complex64`: its shape is known, and no more. */
    readonly dtype: NumericDType | (string & {}),
    readonly shape: readonly number[],
    /** Elements from one index to the next, for each axis. */
    readonly strides: readonly number[],
    /** Elements before the first. */
    readonly offset: number,
    readonly storage: TorchStorage,
    /** The numbers are those of the storage with the other sign. */
    readonly negated = false,
  ) {}
}

/** Storages whose numbers are not read: PyTorch's name of their elements' type, and an element's bytes. */
const UNREAD_STORAGES: Readonly<Record<string, readonly [dtype: string, bytes: number]>> = {
  ComplexFloatStorage: ["complex64", 8],
  ComplexDoubleStorage: ["complex128", 16],
  QInt8Storage: ["qint8", 1],
  QUInt8Storage: ["quint8", 1],
  QInt32Storage: ["qint32", 4],
  QUInt4x2Storage: ["quint4x2", 1],
  QUInt2x4Storage: ["quint2x4", 1],
};

const sizes = (value: unknown, what: string): number[] => {
  if (!Array.isArray(value) || !value.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw new Error(`a tensor has the ${what} ${describe(value)}; expected integers of 0 or more`);
  return value;
};
const size = (value: unknown, what: string): number => sizes([value], what)[0];

/** Text of a file in a message: no more than a glance, without what would break the line. */
const printable = (text: string): string => text.slice(0, 40).replace(/[^\x20-\x7e]/g, "?");

/** A function or class by its name. */
const nameOf = (value: unknown): string => (value instanceof Global ? value.name : describe(value));

/** A value in an error: short, whatever it is. */
export const describe = (value: unknown): string => {
  if (value === undefined) return "nothing";
  if (value instanceof Global) return printable(value.name);
  if (value instanceof PythonObject) return printable(value.className);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(describe).join(", ")}]`;
  return typeof value === "object" && value !== null ? value.constructor.name : printable(String(value));
};

function storageOf(value: unknown): TorchStorage {
  if (value instanceof PythonObject || typeof value !== "object" || value === null || !("key" in value))
    throw new Error(`a tensor lies in ${describe(value)}; expected a storage`);
  return value as TorchStorage;
}

function tensor(
  storage: unknown,
  offset: unknown,
  shape: unknown,
  strides: unknown,
  dtype?: unknown,
  metadata?: unknown,
): TorchTensor | PythonObject {
  // Where its numbers lie is up to what is not known here.
  if (storage instanceof PythonObject) return new PythonObject("torch.Tensor", [storage]);
  const where = storageOf(storage);
  const result = new TorchTensor(
    dtype === undefined ? where.dtype : nameOf(dtype).replace(/^torch\./, ""),
    sizes(shape, "shape"),
    sizes(strides, "strides"),
    size(offset, "offset"),
    where,
    metadata instanceof Map && metadata.get("neg") === true,
  );
  if (result.strides.length !== result.shape.length)
    throw new Error(`a tensor of shape [${result.shape}] has the strides [${result.strides}]`);
  elementCount(result.shape, "A tensor");
  return result;
}

const dict = (items?: unknown): Dict => {
  if (items instanceof Map) return new Map(items);
  const pairs = Array.isArray(items) ? items : [];
  return new Map(pairs.filter(Array.isArray).map(([key, value]) => [key, value]));
};

const bytesOf = (text: unknown): Uint8Array => Uint8Array.from(String(text), (c) => c.charCodeAt(0));

/** A tensor of a class of its own, or with attributes: the function that makes it, its class, and that one's arguments. */
function rebuildSubclass(make: unknown, type: unknown, args: unknown): unknown {
  const rule = make instanceof Global ? CALLS.get(make.name) : undefined;
  if (rule && Array.isArray(args)) return rule(...args);
  return new PythonObject(nameOf(type), [make, args]);
}

const setOf = (items: unknown): Set<unknown> => new Set(Array.isArray(items) ? items : []);
const arrayOf = (items: unknown): unknown[] => (Array.isArray(items) ? [...items] : []);

/** Python 3's names of what Python 2 had, by which pickles of protocol 2 call it: Python renames them as it reads. */
const PYTHON_2 = { builtins: "__builtin__", copyreg: "copy_reg" };

/** What is known of all that a pickle of `torch.save` calls. */
const CALLS = new Map<string, (...args: unknown[]) => unknown>([
  [
    "torch._utils._rebuild_tensor",
    (storage, offset, shape, strides) => tensor(storage, offset, shape, strides),
  ],
  [
    "torch._utils._rebuild_tensor_v2",
    (storage, offset, shape, strides, _grad, _hooks, metadata) =>
      tensor(storage, offset, shape, strides, undefined, metadata),
  ],
  [
    "torch._utils._rebuild_tensor_v3",
    (storage, offset, shape, strides, _grad, _hooks, dtype, metadata) =>
      tensor(storage, offset, shape, strides, dtype, metadata),
  ],
  ["torch._tensor._rebuild_from_type_v2", rebuildSubclass],
  ["torch._tensor._rebuild_from_type", rebuildSubclass],
  ["torch._utils._rebuild_parameter", (data) => data],
  ["torch._utils._rebuild_parameter_with_state", (data) => data],
  ["torch.Size", (shape) => shape],
  ["collections.OrderedDict", dict],
  ["collections.defaultdict", (_factory, items) => dict(items)],
  ["collections.Counter", dict],
  ["_codecs.encode", (text) => bytesOf(text)],
  ...[...Object.entries(PYTHON_2).flat()].flatMap((module) =>
    Object.entries({
      dict,
      list: arrayOf,
      tuple: arrayOf,
      set: setOf,
      frozenset: setOf,
      // How Python 2 and protocols below 2 make an object of a class.
      _reconstructor: (type: unknown) => new PythonObject(nameOf(type), []),
    }).map(([name, make]): [string, (...args: unknown[]) => unknown] => [`${module}.${name}`, make]),
  ),
]);

/** The element type of a class of storages, and an element's bytes. */
function storageType(className: string): readonly [dtype: string, bytes: number] | undefined {
  if (className === "torch.storage.UntypedStorage") return ["bytes", 1];
  const [, kind] = /^torch\.(?:cuda\.|storage\.)?(\w+)$/.exec(className) ?? [];
  const dtype = dtypeOfCode("storage", kind);
  if (dtype) return [dtype, bytesPerElement(dtype)];
  return kind && Object.hasOwn(UNREAD_STORAGES, kind) ? UNREAD_STORAGES[kind] : undefined;
}

/** The rules of `torch.save`; `storages` receives each storage that occurs. */
export function torchRules(storages: Map<string, TorchStorage>): PickleRules {
  return {
    calls: CALLS,
    persistent(id) {
      // A class of module, with its source text, as files of the older format name it.
      if (Array.isArray(id) && id[0] === "module") return id[1];
      if (!Array.isArray(id) || id[0] !== "storage")
        throw new Error(`it refers to ${describe(id)}; expected a storage`);
      const [, type, key, , count, view] = id;
      const known = storageType(nameOf(type));
      // An unknown class of storage, or a view of one as the first versions of PyTorch had.
      if (!known || view != null) return new PythonObject(nameOf(type), id.slice(2));
      const storage: TorchStorage = {
        key: String(key),
        dtype: known[0],
        elementBytes: known[1],
        count: size(count, "storage of size"),
      };
      storages.set(storage.key, storages.get(storage.key) ?? storage);
      return storage;
    },
  };
}
