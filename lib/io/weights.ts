/** Weights of a checkpoint, PyTorch's or safetensors, by name: told apart by content, and read one tensor at a time. */
import { openForReading, readExactly } from "./files.ts";
import type { NdArray, NumericDType } from "./ndarray.ts";
import { openSafetensors } from "./safetensors.ts";
import { type Dict, openTorch, TorchTensor } from "./torch/index.ts";

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
  const prefix = file.metadata.format?.startsWith("ditlab-checkpoint/") ? `${weights}/` : "";
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
    const tensors = named(stateOf(file.value, path, weights));
    return {
      shapes: shapesOf(tensors),
      close: () => file.close(),
      read: async (name) => {
        const tensor = tensors.get(name);
        if (!tensor) throw new Error(`${path} has no tensor "${name}"`);
        return file.read(tensor);
      },
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

const isDict = (value: unknown): value is Dict => value instanceof Map;

/** The dictionary of tensors in what was saved. */
function stateOf(value: unknown, path: string, weights: WeightsName): Map<string, TorchTensor> {
  if (!isDict(value)) throw new Error(`${path} holds no dictionary, so no weights`);
  const isCheckpoint = ["ema", "model"].some((name) => isDict(value.get(name)));
  const state = isCheckpoint ? value.get(weights) : value;
  const tensors = isDict(state)
    ? [...state].filter((entry): entry is [string, TorchTensor] => entry[1] instanceof TorchTensor)
    : [];
  if (tensors.length === 0) {
    const names = [...value.keys()].slice(0, 10).join(", ");
    throw new Error(`${path} has no ${isCheckpoint ? `weights '${weights}'` : "tensors"}; it holds ${names}`);
  }
  return new Map(tensors);
}
