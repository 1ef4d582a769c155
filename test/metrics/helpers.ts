import * as assert from "uvu/assert";
import { type NdArray, readNpz, scalarOf } from "../../lib/io/index.ts";
import type { Features } from "../../lib/metrics/index.ts";
import { fixture } from "../io/helpers.ts";

export const reference = await readNpz(fixture("metrics.npz"));

export function featuresOf(array: NdArray): Features {
  if (array.dtype !== "float32" && array.dtype !== "float64") throw new Error(`got ${array.dtype}`);
  return { data: array.data, count: array.shape[0], size: array.shape[1] };
}

export function features(size: number, ...values: number[]): Features {
  return { data: Float64Array.from(values), count: values.length / size, size };
}

export function firstRows({ data, size }: Features, count: number): Features {
  return { data: data.subarray(0, count * size), count, size };
}

/** Relative agreement with a scalar of the fixture. */
export function matches(actual: number, key: string, tolerance: number): void {
  close(actual, scalarOf(reference[key]), tolerance, key);
}

/** Agreement relative to `expected`, or absolute where that is below 1. */
export function close(actual: number, expected: number, tolerance: number, what = "value"): void {
  const error = Math.abs(actual - expected) / Math.max(Math.abs(expected), 1);
  assert.ok(error <= tolerance, `${what}: ${actual}, expected ${expected} within ${tolerance}`);
}
