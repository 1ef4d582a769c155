/** Weights of a checkpoint, PyTorch's or safetensors, by name: told apart by content, and read one tensor at a time. */
import { UnsupportedType } from "./dtypes.ts";
import { firstIn, openForReading, readExactly } from "./files.ts";
import type { NdArray, NumericDType } from "./ndarray.ts";
import { openSafetensors } from "./safetensors.ts";
import { type Dict, openTorch, PythonObject, TorchTensor } from "./torch/index.ts";
import { describe } from "./torch/rebuild.ts";

/** What the format of our own training checkpoints begins with, in their metadata. */
export const OWN_CHECKPOINT = "ditlab-checkpoint/";

/** Which weights of a training checkpoint: the averaged ones, or those that were trained. */
export type WeightsName = "ema" | "model";

export interface WeightFile {
  /** Shapes by name. */
  readonly shapes: Readonly<Record<string, number[]>>;
  /** The numbers of one tensor. */
  read(name: string): Promise<NdArray<NumericDType>>;
  close(): Promise<void>;
}

/** What parallel training and compilation put before the names of all parameters. */
const WRAPPERS = ["module.", "_orig_mod."];

/**
 * Opens the weights in a file: a bare state dictionary, or `weights` of a training checkpoint (ours, or one of the
 * reference's with `model` and `ema`). Names lose the prefixes `module.` and `_orig_mod.`.
 * @throws naming the file: where it is neither format, damaged, or has no such weights.
 */
export async function openWeights(path: string, weights: WeightsName = "ema"): Promise<WeightFile> {
  return (await isSafetensors(path)) ? openOwn(path, weights) : openPickled(path, weights);
}

/** Whether a file begins as safetensors do: with the length of a header, which is JSON. */
export async function isSafetensors(path: string): Promise<boolean> {
  const handle = await openForReading(path);
  try {
    const { size } = await handle.stat();
    if (size < 9) throw new Error(`${path} is no checkpoint: it has ${size} bytes`);
    return (await readExactly(handle, path, 8, 1))[0] === "{".charCodeAt(0);
  } finally {
    await handle.close();
  }
}

/** The file's weights by the names that they have without wrappers. */
function named<T>(tensors: ReadonlyMap<string, T>): Map<string, T> {
  const names = [...tensors.keys()];
  const wrapper = WRAPPERS.find((prefix) => names.every((name) => name.startsWith(prefix)));
  if (wrapper === undefined || names.length === 0) return new Map(tensors);
  return named(new Map([...tensors].map(([name, tensor]) => [name.slice(wrapper.length), tensor])));
}

const shapesOf = (tensors: ReadonlyMap<string, { shape: readonly number[] }>): Record<string, number[]> =>
  Object.fromEntries([...tensors].map(([name, { shape }]) => [name, [...shape]]));

async function openOwn(path: string, weights: WeightsName): Promise<WeightFile> {
  const file = await openSafetensors(path);
  const prefix = file.metadata.format?.startsWith(OWN_CHECKPOINT) ? `${weights}/` : "";
  const found = [...file.tensors].filter(([name]) => name.startsWith(prefix));
  const tensors = named(
    new Map(found.map(([name, { shape }]) => [name.slice(prefix.length), { shape, stored: name }])),
  );
  return {
    shapes: shapesOf(tensors),
    read: (name) => file.read(tensors.get(name)?.stored ?? name),
    close: () => file.close(),
  };
}

async function openPickled(path: string, weights: WeightsName): Promise<WeightFile> {
  const file = await openTorch(path);
  try {
    const state = stateOf(file.value, path, weights);
    const tensors = named(state.tensors);
    return {
      shapes: shapesOf(tensors),
      close: () => file.close(),
      read: async (name) => {
        const tensor = tensors.get(name);
        if (tensor)
          return file.read(tensor).catch((error: Error) => {
            if (!(error instanceof UnsupportedType)) throw error;
            throw new UnsupportedType(`tensor "${name}" cannot be read: ${error.message}`, { cause: error });
          });
        const other = state.others.get(name);
        const instead = other === undefined ? "" : `, but ${describe(other)} of that name`;
        throw new Error(`${path} has no tensor "${name}"${instead}`);
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const isDict = (value: unknown): value is Dict => value instanceof Map;

/** The state dictionary in a value: itself, or that of a module that was saved whole, its buffers included. */
function stateDict(value: unknown, prefix = ""): Dict | undefined {
  if (isDict(value)) return value;
  const module = value instanceof PythonObject ? value.state : undefined;
  if (!isDict(module) || !isDict(module.get("_modules"))) return undefined;
  const part = (name: string): [unknown, unknown][] => {
    const entries = module.get(name);
    return isDict(entries) ? [...entries] : [];
  };
  const left = module.get("_non_persistent_buffers_set");
  const state: Dict = new Map();
  for (const [name, tensor] of [...part("_parameters"), ...part("_buffers")])
    if (!(left instanceof Set && left.has(name))) state.set(`${prefix}${String(name)}`, tensor);
  for (const [name, child] of part("_modules"))
    for (const [key, tensor] of stateDict(child, `${prefix}${String(name)}.`) ?? []) state.set(key, tensor);
  return state;
}

const isTensor = (entry: [unknown, unknown]): entry is [string, TorchTensor] =>
  entry[1] instanceof TorchTensor;

/**
 * The tensors in what was saved, and beside them what is none: of a state dictionary; of `weights` where `ema` or
 * `model` are there; or of the one dictionary of tensors that is, under whatever name.
 */
function stateOf(
  value: unknown,
  path: string,
  weights: WeightsName,
): { tensors: Map<string, TorchTensor>; others: Dict } {
  const saved = stateDict(value);
  if (!saved) throw new Error(`${path} holds no dictionary, so no weights`);
  const isCheckpoint = ["ema", "model"].some((name) => stateDict(saved.get(name)));
  const inside = [...saved.values()].map((entry) => stateDict(entry)).filter((dict) => dict !== undefined);
  const filled = inside.filter((dict) => [...dict].some(isTensor));
  const only = filled.length === 1 && ![...saved].some(isTensor) ? filled[0] : saved;
  const state = (isCheckpoint ? stateDict(saved.get(weights)) : only) ?? new Map();
  const tensors = new Map([...state].filter(isTensor));
  if (tensors.size === 0) {
    const names = [...saved.keys()].slice(0, 10).join(", ");
    throw new Error(`${path} has no ${isCheckpoint ? `weights '${weights}'` : "tensors"}; it holds ${names}`);
  }
  return { tensors, others: new Map([...state].filter((entry) => !isTensor(entry))) };
}

/** Weights in a published folder, the first that is there. */
const PUBLISHED = ["model.safetensors", "pytorch_model.bin"] as const;

/** The file of weights in a folder, if it has one. */
export const findWeights = (folder: string): Promise<string | undefined> => firstIn(folder, PUBLISHED);

/** The file of weights in a folder as on the Hugging Face hub. @throws naming the folder where there is none. */
export async function weightsIn(folder: string): Promise<string> {
  const found = await findWeights(folder);
  if (found === undefined) throw new Error(`${folder} has no weights; expected ${PUBLISHED.join(" or ")}`);
  return found;
}
