/** Shared by the parity tests: fixtures as tensors, and errors as the fixtures' README defines their tolerances. */
import { type NdArray, readNpz, readSafetensors, tensorsOf, toFloat64 } from "../lib/io/index.ts";
import { makeNetwork, type TransformerConfig } from "../lib/models/index.ts";
import type { Tensor } from "../lib/tensor/index.ts";
import { fixture } from "./io/helpers.ts";

export const arrays = (name: string): Promise<Record<string, NdArray>> => readNpz(fixture(name));

export const weights = async (name: string): Promise<Record<string, Tensor>> =>
  tensorsOf((await readSafetensors(fixture(name))).tensors);

/** The tiny model of the fixtures (config.json). */
export const TINY: TransformerConfig = {
  inputSize: 8,
  patchSize: 2,
  inChannels: 4,
  hiddenSize: 24,
  depth: 4,
  numHeads: 3,
  mlpRatio: 4,
  numClasses: 10,
  qkNorm: false,
};
export const tiny = makeNetwork(TINY);

type Numbers = ArrayLike<number>;

const numbers = (values: Tensor | NdArray | Numbers): Numbers => {
  if ("dataSync" in values) return values.dataSync();
  return "dtype" in values ? toFloat64(values as NdArray) : (values as Numbers);
};

/** Largest absolute difference over the largest absolute expected value. */
export function relativeError(
  actual: Tensor | NdArray | Numbers,
  expected: Tensor | NdArray | Numbers,
): number {
  const a = numbers(actual);
  const b = numbers(expected);
  if (a.length !== b.length) throw new Error(`got ${a.length} numbers, expected ${b.length}`);
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, d);
    scale = Math.max(scale, Math.abs(b[i]));
  }
  return difference / Math.max(scale, 1e-30);
}
