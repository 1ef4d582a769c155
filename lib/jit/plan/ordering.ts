/** Operators along an axis or by places: searches, running sums, scattered numbers, sums of products. */
import { sizeOf, type Value } from "../graph.ts";
import { Index, scalarOf, times } from "./builder.ts";
import type { Root } from "./root.ts";
import { threads } from "./threads.ts";

/** The index of a value with an axis put in among the coordinates of the others. */
const along = (value: Value, others: readonly string[], axis: number, at: string): Index =>
  new Index(value.shape, [
    ...others.slice(0, axis),
    value.shape[axis] === 1 ? "0u" : at,
    ...others.slice(axis),
  ]);

const without = (shape: readonly number[], axis: number): number[] => shape.filter((_, i) => i !== axis);

/** The place of the first largest or smallest number of an axis. */
const extremum =
  (sign: ">" | "<"): Root =>
  (kernel, { inputs: [x], outputs: [out], attributes }, finish) => {
    const axis = attributes.axis as number;
    const { language } = kernel;
    const place = threads(kernel, sizeOf(out.shape));
    const others = new Index(without(x.shape, axis), undefined, place).coords(kernel);
    const best = kernel.variable(scalarOf(x), kernel.load(x, along(x, others, axis, "0u")));
    const found = kernel.variable("i32", language.literal("i32", 0));
    kernel.repeat("a", "1u", kernel.size(x.shape[axis]), "1u", () => {
      const number = kernel.load(x, along(x, others, axis, "a"));
      kernel.block(`if (${number} ${sign} ${best})`, () => {
        kernel.push(`${best} = ${number};`);
        kernel.push(`${found} = ${language.convert("u32", "i32", "a")};`);
      });
    });
    finish(out, new Index(out.shape, undefined, place), found);
  };

/** A thread for each row of an axis, from its beginning or its end. */
const cumulativeSum: Root = (kernel, { inputs: [x, axisValue], outputs: [out], attributes }, finish) => {
  const axis = Number(axisValue.data![0]);
  const size = x.shape[axis];
  const type = scalarOf(x);
  const place = threads(kernel, sizeOf(x.shape) / size);
  const others = new Index(without(x.shape, axis), undefined, place).coords(kernel);
  const sum = kernel.variable(type, kernel.language.literal(type, 0));
  kernel.repeat("step", "0u", kernel.size(size), "1u", () => {
    const at = kernel.let("u32", attributes.reverse ? `${kernel.size(size)} - 1u - step` : "step + 0u");
    const index = along(x, others, axis, at);
    const number = kernel.load(x, index);
    const add = (): void => kernel.push(`${sum} += ${number};`);
    const store = (): void => finish(out, new Index(out.shape, undefined, index.linear(kernel)), sum);
    if (attributes.exclusive) store();
    add();
    if (!attributes.exclusive) store();
  });
};

/** How many numbers of its row come before a number is where it goes; the first of equal ones comes first. */
const topK: Root = (kernel, { inputs: [x], outputs: [values, indices] }, finish) => {
  const width = x.shape[x.shape.length - 1];
  const count = values.shape[values.shape.length - 1];
  const { language } = kernel;
  const place = threads(kernel, sizeOf(x.shape));
  const own = kernel.let("u32", `${place} % ${kernel.size(width)}`);
  const row = kernel.let("u32", `${place} / ${kernel.size(width)}`);
  const number = kernel.load(x, new Index(x.shape, undefined, place));
  const rank = kernel.variable("u32", "0u");
  kernel.repeat("a", "0u", kernel.size(width), "1u", () => {
    const at = kernel.let("u32", `${times(kernel, row, width)} + a`);
    const other = kernel.load(x, new Index(x.shape, undefined, at));
    kernel.block(`if (${other} > ${number} || (${other} == ${number} && a < ${own}))`, () =>
      kernel.push(`${rank} += 1u;`),
    );
  });
  kernel.block(`if (${rank} < ${kernel.size(count)})`, () => {
    const at = kernel.let("u32", `${times(kernel, row, count)} + ${rank}`);
    finish(values, new Index(values.shape, undefined, at), number);
    finish(indices, new Index(indices.shape, undefined, at), language.convert("u32", "i32", own));
  });
};

/** Each number of the result looks for what was scattered to it: the sum, or the last. */
const scatterND: Root = (kernel, { inputs: [onto, places, updates], outputs: [out], attributes }, finish) => {
  const depth = places.shape[places.shape.length - 1];
  const count = sizeOf(places.shape) / depth;
  const inner = sizeOf(out.shape.slice(depth));
  const type = scalarOf(out);
  const place = threads(kernel, sizeOf(out.shape));
  const at = new Index(out.shape, undefined, place).coords(kernel);
  const result = kernel.variable(type, kernel.load(onto, new Index(onto.shape, undefined, place)));
  const within = kernel.let("u32", inner === 1 ? "0u" : `${place} % ${kernel.size(inner)}`);
  kernel.repeat("a", "0u", kernel.size(count), "1u", () => {
    const hits = Array.from({ length: depth }, (_, i) => {
      const entry = kernel.let("u32", `${times(kernel, "a", depth)} + ${i}u`);
      const target = kernel.load(places, new Index(places.shape, undefined, entry));
      const own = kernel.let("i32", kernel.language.convert("u32", "i32", at[i]));
      const whole = kernel.language.convert("u32", "i32", kernel.size(out.shape[i]));
      return `(${target} == ${own} || ${target} + ${whole} == ${own})`;
    });
    kernel.block(`if (${hits.join(" && ") || "true"})`, () => {
      const update = kernel.let("u32", `${times(kernel, "a", inner)} + ${within}`);
      const number = kernel.load(updates, new Index(updates.shape, undefined, update));
      kernel.push(`${result} = ${attributes.reduction === "add" ? `${result} + ${number}` : number};`);
    });
  });
  finish(out, new Index(out.shape, undefined, place), result);
};

/** Sums of products by labels: a thread for each number of the result, over what the labels beside it run through. */
const einsum: Root = (kernel, { inputs, outputs: [out], attributes }, finish) => {
  const [left, right] = (attributes.equation as string).split("->");
  const terms = left.split(",");
  const sizes = new Map(
    terms.flatMap((term, i) => [...term].map((label, k) => [label, inputs[i].shape[k]] as const)),
  );
  const summed = [...sizes.keys()].filter((label) => !right.includes(label));
  const type = scalarOf(out);
  const place = threads(kernel, sizeOf(out.shape));
  const at = new Map(
    new Index(out.shape, undefined, place).coords(kernel).map((name, i) => [right[i], name] as const),
  );
  const sum = kernel.variable(type, kernel.language.literal(type, 0));
  kernel.repeat("a", "0u", kernel.size(sizeOf(summed.map((label) => sizes.get(label)!))), "1u", () => {
    const inner = new Index(
      summed.map((label) => sizes.get(label)!),
      undefined,
      "a",
    ).coords(kernel);
    summed.forEach((label, i) => {
      at.set(label, inner[i]);
    });
    const factors = inputs.map((value, i) =>
      kernel.load(
        value,
        new Index(
          value.shape,
          [...terms[i]].map((label) => at.get(label)!),
        ),
      ),
    );
    kernel.push(`${sum} += ${factors.join(" * ")};`);
  });
  finish(out, new Index(out.shape, undefined, place), sum);
};

export const ORDERING: Readonly<Record<string, Root>> = {
  ArgMax: extremum(">"),
  ArgMin: extremum("<"),
  CumSum: cumulativeSum,
  TopK: topK,
  ScatterND: scatterND,
  Einsum: einsum,
};
