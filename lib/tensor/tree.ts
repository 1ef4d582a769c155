/** Trees of tensors: any nesting of plain objects and arrays whose leaves are tensors, or plain values kept as they are. */
import { type Tensor, type TensorContainer, tf } from "./tf.ts";

/** A tree of tensors: what a batch, a state or a condition is. */
export type Tree = Tensor | readonly Tree[] | { readonly [name: string]: Tree | undefined };

export interface TreeLeaf {
  /** Path from the root as a JSON pointer, for example `params/blocks.0.attn.qkv.weight`. */
  path: string;
  tensor: Tensor;
}

const isPlainObject = (value: object): boolean => {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

const describe = (value: unknown): string =>
  typeof value === "object" && value !== null
    ? `a ${value.constructor?.name ?? "object without a prototype"}`
    : `a ${typeof value}`;

/** A key as part of a path, as in a JSON pointer: a slash inside a key must not look like nesting. */
export const escapeKey = (name: string | number): string =>
  `${name}`.replaceAll("~", "~0").replaceAll("/", "~1");

/**
 * Visits a tree in key order, replacing every tensor by `onTensor`'s result.
 * Throws when a leaf is neither a tensor nor a string, number, boolean, null or undefined.
 */
export function mapTree(
  tree: unknown,
  onTensor: (tensor: Tensor, path: string) => unknown,
  path = "",
): unknown {
  if (tree instanceof tf.Tensor) return onTensor(tree, path);
  if (tree === null || ["string", "number", "boolean", "undefined"].includes(typeof tree)) return tree;
  const child = (name: string | number): string =>
    path === "" ? escapeKey(name) : `${path}/${escapeKey(name)}`;
  if (Array.isArray(tree)) return tree.map((item, i) => mapTree(item, onTensor, child(i)));
  if (typeof tree === "object" && isPlainObject(tree)) {
    return Object.fromEntries(
      Object.entries(tree).map(([name, item]) => [name, mapTree(item, onTensor, child(name))]),
    );
  }
  throw new TypeError(
    `tree leaf '${path || "(root)"}' is ${describe(tree)}; expected a tensor, a plain object, an array, a number, a string, a boolean, null or undefined`,
  );
}

/** The tensors of a tree in order, with their paths. */
export function flattenTree(tree: unknown): TreeLeaf[] {
  const leaves: TreeLeaf[] = [];
  mapTree(tree, (tensor, path) => leaves.push({ path, tensor }));
  return leaves;
}

/** The tree with every tensor replaced by another. */
export const mapTensors = <T>(tree: T, fn: (tensor: Tensor, path: string) => Tensor): T =>
  mapTree(tree, fn) as T;

/** Runs `body`, and disposes the tensors that it made, but for those in the tree that it returns. */
export const tidyTree = <T>(body: () => T): T => tf.tidy(body as () => TensorContainer) as T;

/** Disposes all tensors of a tree. */
export const disposeTree = (tree: unknown): void => tf.dispose(flattenTree(tree).map(({ tensor }) => tensor));
