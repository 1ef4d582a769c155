/** Parameters: tensors by the name that the reference's state dict gives them. */
import type { Tensor } from "./tf.ts";

export type Params = Record<string, Tensor>;

/** The parameter of a name; throws when it is missing. */
export function param(params: Params, name: string): Tensor {
  const tensor = params[name];
  if (!tensor)
    throw new Error(`parameter '${name}' is missing; the model has ${Object.keys(params).length} parameters`);
  return tensor;
}

/** How many numbers a tensor of a shape has. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);

export const mapParams = (params: Params, fn: (tensor: Tensor, name: string) => Tensor): Params =>
  Object.fromEntries(Object.entries(params).map(([name, tensor]) => [name, fn(tensor, name)]));

export const countParams = (params: Params): number =>
  Object.values(params).reduce((sum, { size }) => sum + size, 0);

/** Another model's file lacks hundreds; the first few tell which one it is. */
const MOST_LISTED = 10;

const listed = (names: readonly string[]): string =>
  names.length <= MOST_LISTED + 1
    ? names.join(", ")
    : `${names.slice(0, MOST_LISTED).join(", ")} and ${names.length - MOST_LISTED} more`;

/** Checks shapes by name; throws one error that lists what is missing, unexpected and mis-shaped. */
export function checkShapes(
  got: Readonly<Record<string, readonly number[]>>,
  expected: Readonly<Record<string, readonly number[]>>,
  model: string,
): void {
  const missing = Object.keys(expected).filter((name) => !got[name]);
  const unexpected = Object.keys(got).filter((name) => !expected[name]);
  const misshaped = Object.keys(expected)
    .filter((name) => got[name] && `${got[name]}` !== `${expected[name]}`)
    .map((name) => `${name} (expected [${expected[name]}], got [${got[name]}])`);
  const parts = [
    missing.length && `missing: ${listed(missing)}`,
    unexpected.length && `unexpected: ${listed(unexpected)}`,
    misshaped.length && `wrong shape: ${listed(misshaped)}`,
  ].filter(Boolean);
  if (parts.length > 0) throw new Error(`parameters do not fit ${model}; ${parts.join("; ")}`);
}

/**
 * Checks parameters against expected shapes.
 * Throws one error that lists what is missing, unexpected and mis-shaped.
 */
export const checkParams = (params: Params, shapes: Record<string, number[]>, model: string): void =>
  checkShapes(
    Object.fromEntries(Object.entries(params).map(([name, { shape }]) => [name, shape])),
    shapes,
    model,
  );
