/** Operators that show numbers of their operands in other places. */
import { sizeOf, type Value } from "../graph.ts";
import {
  broadcastIndex,
  type Expression,
  Index,
  type KernelBuilder,
  plus,
  scalarOf,
  times,
} from "./builder.ts";

const ints = (value: Value): number[] => Array.from(value.data as BigInt64Array, Number);

const same: Expression = (kernel, { node }, index) => kernel.load(node!.inputs[0], index);

const slice: Expression = (kernel, { node }, index) => {
  const [from, begin, , axes, steps] = node!.inputs;
  const at = [...index.coords(kernel)];
  const [first, by] = [ints(begin), ints(steps)];
  ints(axes).forEach((axis, i) => {
    const start = first[i] < 0 ? first[i] + from.shape[axis] : first[i];
    at[axis] =
      by[i] < 0
        ? kernel.let("u32", `${kernel.size(start)} - ${times(kernel, at[axis], -by[i])}`)
        : plus(kernel, times(kernel, at[axis], by[i]), start);
    if (from.shape[axis] === 1) at[axis] = "0u";
  });
  return kernel.load(from, new Index(from.shape, at));
};

const split: Expression = (kernel, value, index) => {
  const { inputs, outputs, attributes } = value.node!;
  const axis = attributes.axis as number;
  const before = outputs.slice(0, outputs.indexOf(value)).reduce((sum, { shape }) => sum + shape[axis], 0);
  const at = [...index.coords(kernel)];
  at[axis] = plus(kernel, at[axis], before);
  return kernel.load(inputs[0], new Index(inputs[0].shape, at));
};

const concat: Expression = (kernel, value, index) => {
  const { inputs, attributes } = value.node!;
  const axis = attributes.axis as number;
  const at = index.coords(kernel);
  const result = kernel.variable(scalarOf(value), kernel.language.literal(scalarOf(value), 0));
  let start = 0;
  inputs.forEach((part, i) => {
    const end = start + part.shape[axis];
    const inside = `(${at[axis]} >= ${kernel.size(start)} && ${at[axis]} < ${kernel.size(end)})`;
    const head = i === 0 ? `if (${at[axis]} < ${kernel.size(end)})` : `if ${inside}`;
    kernel.block(head, () => {
      const own = [...at];
      own[axis] =
        part.shape[axis] === 1 ? "0u" : start === 0 ? at[axis] : `(${at[axis]} - ${kernel.size(start)})`;
      kernel.push(`${result} = ${kernel.load(part, new Index(part.shape, own))};`);
    });
    start = end;
  });
  return result;
};

/** Padded with what lies inside, mirrored at the border, which is not repeated. */
function mirrored(kernel: KernelBuilder, from: Value, before: readonly number[], index: Index): string {
  const { language } = kernel;
  const at = index.coords(kernel).map((x, i) => {
    if (from.shape[i] === 1) return "0u";
    const signed = (size: string): string => language.convert("u32", "i32", size);
    const place = kernel.let("i32", `${signed(x)} - ${signed(kernel.size(before[i]))}`);
    const folded = kernel.let("i32", language.select(`(${place} < 0)`, `-${place}`, place));
    const last = kernel.let("i32", signed(kernel.size(from.shape[i] - 1)));
    const turned = language.select(`(${folded} > ${last})`, `2 * ${last} - ${folded}`, folded);
    return kernel.let("u32", language.convert("i32", "u32", turned));
  });
  return kernel.load(from, new Index(from.shape, at));
}

/** With a constant around, or mirrored (`reflect`). */
const pad: Expression = (kernel, value, index) => {
  const { inputs, attributes } = value.node!;
  const [from, amounts, filler] = inputs;
  const before = ints(amounts).slice(0, from.shape.length);
  const { mode = "constant" } = attributes;
  if (mode === "reflect") return mirrored(kernel, from, before, index);
  if (mode !== "constant") throw new Error(`jit: no kernel pads by '${mode}'`);
  const at = index.coords(kernel).map((x, i) => (before[i] === 0 ? x : `(${x} - ${kernel.size(before[i])})`));
  // Below zero is far above.
  const inside = at
    .map((x, i) => `${x} < ${kernel.size(from.shape[i])}`)
    .filter((_, i) => from.shape[i] !== value.shape[i]);
  const type = scalarOf(value);
  const result = kernel.variable(type, kernel.load(filler, Index.zero(filler.shape)));
  kernel.block(`if (${inside.join(" && ") || "true"})`, () => {
    const own = at.map((x, i) => (from.shape[i] === 1 && value.shape[i] === 1 ? "0u" : x));
    kernel.push(`${result} = ${kernel.load(from, new Index(from.shape, own))};`);
  });
  return result;
};

/** An entry of an axis by its number, which may be counted from the end. */
const entry = (kernel: KernelBuilder, at: string, size: number): string => {
  const whole = kernel.language.convert("u32", "i32", kernel.size(size));
  const counted = kernel.language.select(`(${at} < 0)`, `${at} + ${whole}`, at);
  return kernel.let("u32", kernel.language.convert("i32", "u32", counted));
};

const gather: Expression = (kernel, { node }, index) => {
  const [from, places] = node!.inputs;
  const axis = (node!.attributes.axis as number | undefined) ?? 0;
  const at = index.coords(kernel);
  const rank = places.shape.length;
  const place = kernel.load(places, new Index(places.shape, at.slice(axis, axis + rank)));
  const row = entry(kernel, place, from.shape[axis]);
  return kernel.load(from, new Index(from.shape, [...at.slice(0, axis), row, ...at.slice(axis + rank)]));
};

const gatherND: Expression = (kernel, { node }, index) => {
  const [from, places] = node!.inputs;
  const at = index.coords(kernel);
  const outer = places.shape.length - 1;
  const depth = places.shape[outer];
  // Leading axes that both have are the same.
  const shared = (node!.attributes.batch_dims as number | undefined) ?? 0;
  const coordinates = Array.from({ length: depth }, (_, i) => {
    const place = kernel.load(places, new Index(places.shape, [...at.slice(0, outer), `${i}u`]));
    return entry(kernel, place, from.shape[shared + i]);
  });
  return kernel.load(
    from,
    new Index(from.shape, [...at.slice(0, shared), ...coordinates, ...at.slice(outer)]),
  );
};

export const VIEWS: Readonly<Record<string, Expression>> = {
  Identity: same,
  "ditlab.After": same,
  Reshape: (kernel, { node }, index) => {
    const [from] = node!.inputs;
    return kernel.load(from, new Index(from.shape, undefined, index.linear(kernel)));
  },
  Expand: (kernel, { node }, index) =>
    kernel.load(node!.inputs[0], broadcastIndex(kernel, node!.inputs[0], index)),
  Transpose: (kernel, { node }, index) => {
    const [from] = node!.inputs;
    const at = index.coords(kernel);
    const own: string[] = [];
    (node!.attributes.perm as number[]).forEach((axis, i) => {
      own[axis] = at[i];
    });
    return kernel.load(from, new Index(from.shape, own));
  },
  Slice: slice,
  Split: split,
  Tile: (kernel, { node }, index) => {
    const [from] = node!.inputs;
    const at = index
      .coords(kernel)
      .map((x, i) =>
        from.shape[i] === 1 ? "0u" : kernel.let("u32", `${x} % ${kernel.size(from.shape[i])}`),
      );
    return kernel.load(from, new Index(from.shape, at));
  },
};

/** Those that choose between operands, and cost more than a view. */
export const SELECTIONS: Readonly<Record<string, Expression>> = {
  Concat: concat,
  Pad: pad,
  Gather: gather,
  GatherND: gatherND,
  Size: (kernel, { node }) => kernel.language.literal("i32", sizeOf(node!.inputs[0].shape)),
};
