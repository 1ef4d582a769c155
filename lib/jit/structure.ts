/** What identifies a program: the structure of its arguments, and a name for each of their tensors. */
import type { Tensor } from "../tensor/tf.ts";
import { escapeKey, mapTree } from "../tensor/tree.ts";

/** Stands for a tensor in the shape of a tree. */
export class Leaf {
  constructor(
    readonly tensor: Tensor,
    /** A JSON pointer behind the root's name, for example `arg0/params/blocks.0.attn.qkv.weight`. */
    public name = "",
  ) {}
}

export interface Structure {
  leaves: Leaf[];
  /** The tree with a Leaf in place of every tensor. */
  skeleton: unknown;
  /** Equal for two trees exactly when they have the same nesting, keys, plain values, shapes and dtypes. */
  key: string;
}

function describe(node: unknown, name: string): string {
  if (node instanceof Leaf) {
    node.name = name;
    return `${node.tensor.dtype}[${node.tensor.shape}]`;
  }
  if (Array.isArray(node)) return `[${node.map((item, i) => describe(item, `${name}/${i}`)).join()}]`;
  if (typeof node === "object" && node !== null) {
    const entries = Object.entries(node).map(
      ([key, item]) => `${JSON.stringify(key)}:${describe(item, `${name}/${escapeKey(key)}`)}`,
    );
    return `{${entries.join()}}`;
  }
  if (typeof node === "string") return JSON.stringify(node);
  return Object.is(node, -0) ? "-0" : String(node);
}

/** Throws when a leaf is neither a tensor nor a plain value. */
export function structureOf(tree: unknown, root: string): Structure {
  const leaves: Leaf[] = [];
  const skeleton = mapTree(tree, (tensor) => {
    const leaf = new Leaf(tensor);
    leaves.push(leaf);
    return leaf;
  });
  return { leaves, skeleton, key: describe(skeleton, root) };
}

/** The tree with every leaf replaced. */
export function rebuild(skeleton: unknown, replace: (leaf: Leaf) => unknown): unknown {
  if (skeleton instanceof Leaf) return replace(skeleton);
  if (Array.isArray(skeleton)) return skeleton.map((item) => rebuild(item, replace));
  if (typeof skeleton !== "object" || skeleton === null) return skeleton;
  return Object.fromEntries(Object.entries(skeleton).map(([key, item]) => [key, rebuild(item, replace)]));
}
