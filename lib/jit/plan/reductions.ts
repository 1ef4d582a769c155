/** Reductions over any axes, in one pass, and rows that are normalized. */
import { sizeOf, type Value } from "../graph.ts";
import { broadcastIndex, Index, type KernelBuilder, times } from "./builder.ts";
import { type Finish, ints, type Root } from "./root.ts";
import { sharingOf } from "./sharing.ts";
import {
  abreast,
  added,
  combine,
  eachPlace,
  type Join,
  joined,
  multiplied,
  THREADS,
  threads,
  workgroups,
} from "./threads.ts";

interface Reduction {
  start: number;
  /** What a number adds. Default: itself. */
  term?: (x: string) => string;
  join: Join;
  /** The result, from what all numbers came to and how many they are. */
  end?: (kernel: KernelBuilder, total: string, count: number) => string;
}

const LOWEST = -3.4028234663852886e38;

const reduction =
  ({ start, term = (x) => x, join, end }: Reduction): Root =>
  (kernel, node, finish, beside) => {
    const nodes = [node, ...beside];
    const [from, axesValue] = node.inputs;
    const axes = axesValue ? ints(axesValue) : from.shape.map((_, i) => i);
    const kept = from.shape.map((_, i) => i).filter((i) => !axes.includes(i));
    const parts = (node.attributes.parts as number | undefined) ?? 1;
    const isFloat = from.dtype === "float32";
    const sharing = sharingOf(from.shape, axes);
    const { count, sums } = sharing;
    const isShared = isFloat && (parts > 1 || sharing.isShared);
    const across = isShared ? sharing.across : 1;
    const lanes = THREADS / across;
    const blocks = Math.ceil(sums / across);
    let place = isShared ? workgroups(kernel, blocks * parts) : threads(kernel, sums);
    const part = parts > 1 ? kernel.let("u32", `${place} / ${kernel.size(blocks)}`) : "0u";
    if (parts > 1) place = kernel.let("u32", `${place} % ${kernel.size(blocks)}`);
    if (across > 1) place = kernel.let("u32", `${place} * ${across}u + lid % ${across}u`);
    const lane = across > 1 ? kernel.let("u32", `lid / ${across}u`) : "lid";
    const outer = new Index(
      kept.map((i) => from.shape[i]),
      undefined,
      place,
    ).coords(kernel);
    const type = isFloat ? "f32" : "i32";
    const first = kernel.language.literal(
      type,
      isFloat ? start : Math.min(Math.max(start, -(2 ** 31)), 2 ** 31 - 1),
    );
    const totals = nodes.map(() => kernel.variable(type, first));
    const add = (): void => {
      const inner = new Index(
        axes.map((i) => from.shape[i]),
        undefined,
        "r",
      ).coords(kernel);
      const at: string[] = [];
      kept.forEach((axis, i) => {
        at[axis] = outer[i];
      });
      axes.forEach((axis, i) => {
        at[axis] = inner[i];
      });
      nodes.forEach(({ inputs: [value] }, i) => {
        const x = kernel.load(value, new Index(value.shape, at));
        kernel.push(`${totals[i]} = ${join(kernel, totals[i], term(x))};`);
      });
    };
    // A part has some of the numbers, and its own place in the result.
    const each = kernel.size(Math.ceil(count / parts));
    const last = `(${part} + 1u) * ${each}`;
    const all = kernel.size(count);
    const below = parts > 1 ? kernel.let("u32", kernel.language.call("min", last, all)) : all;
    const own = parts > 1 ? kernel.let("u32", `${part} * ${each} + ${lane}`) : lane;
    const repeat = (): void =>
      kernel.repeat("r", isShared ? own : "0u", below, isShared ? `${lanes}u` : "1u", add);
    const isThere = `${place} < ${kernel.size(sums)}`;
    // All threads of a workgroup come to what they share.
    if (across > 1) kernel.block(`if (${isThere})`, repeat);
    else repeat();
    const results = isShared ? totals.map((total) => combine(kernel, total, join, across)) : totals;
    const write = (): void =>
      nodes.forEach(({ outputs: [value] }, i) => {
        const number = kernel.let(type, end ? end(kernel, results[i], count) : results[i]);
        const at = parts > 1 ? kernel.let("u32", `${times(kernel, part, sums)} + ${place}`) : place;
        finish(value, new Index(value.shape, undefined, at), number);
      });
    if (!isShared) write();
    else if (across === 1) kernel.block("if (lid == 0u)", write);
    else kernel.block(`if (lid < ${across}u && ${isThere})`, write);
  };

/** Numbers that a workgroup sums the squares of. */
const SQUARES = 16_384;
/** Sums that the squares of so many numbers are given in; more than one, as single numbers are kept elsewhere. */
export const squareSums = (count: number): number => Math.max(2, Math.ceil(count / SQUARES));

/** Of several arrays, each by workgroups of its own, which all add up what their threads have in one place. */
const squareSum: Root = (kernel, node, finish, beside) => {
  const nodes = [node, ...beside];
  const counts = nodes.map(({ outputs: [out] }) => sizeOf(out.shape));
  const sum = kernel.variable("f32", kernel.language.literal("f32", 0));
  abreast(kernel, counts, (part, group) => {
    const [x] = nodes[part].inputs;
    const end = kernel.language.call("min", `(${group} + 1u) * ${SQUARES}u`, kernel.size(sizeOf(x.shape)));
    const last = kernel.let("u32", end);
    kernel.repeat("r", `${group} * ${SQUARES}u + lid`, last, `${THREADS}u`, () => {
      const number = kernel.load(x, new Index(x.shape, undefined, "r"));
      kernel.push(`${sum} += ${number} * ${number};`);
    });
  });
  const all = combine(kernel, sum, added);
  kernel.block("if (lid == 0u)", () =>
    abreast(kernel, counts, (part, group) => {
      const [out] = nodes[part].outputs;
      finish(out, new Index(out.shape, undefined, group), all);
    }),
  );
};

/** A row of the last axis for each workgroup. */
function rowOf(
  kernel: KernelBuilder,
  { shape }: Value,
): { row: string; width: number; at(column: string): Index } {
  const width = shape[shape.length - 1];
  const row = workgroups(kernel, sizeOf(shape) / width);
  const outer = new Index(shape.slice(0, -1), undefined, row).coords(kernel);
  return { row, width, at: (column) => new Index(shape, [...outer, column]) };
}

/** The place in memory of a column of a workgroup's row. */
const inRow = (kernel: KernelBuilder, row: string, width: number, column: string): string =>
  kernel.let("u32", `${row} * ${kernel.size(width)} + ${column}`);

const softmax =
  (isLog: boolean): Root =>
  (kernel, node, finish) => {
    const [x] = node.inputs;
    const [out] = node.outputs;
    const axis = (node.attributes.axis as number | undefined) ?? -1;
    if (axis !== -1 && axis !== x.shape.length - 1) throw new Error("jit: a softmax is over the last axis");
    const { language } = kernel;
    const { row, width, at } = rowOf(kernel, x);
    const most = kernel.variable("f32", language.literal("f32", LOWEST));
    eachPlace(kernel, "c", width, () =>
      kernel.push(`${most} = ${language.call("max", most, kernel.load(x, at("c")))};`),
    );
    const top = combine(kernel, most, joined("max"));
    const sum = kernel.variable("f32", language.literal("f32", 0));
    eachPlace(kernel, "c", width, () =>
      kernel.push(`${sum} += ${language.call("exp", `${kernel.load(x, at("c"))} - ${top}`)};`),
    );
    const total = combine(kernel, sum, added);
    eachPlace(kernel, "c", width, () => {
      const below = kernel.let("f32", `${kernel.load(x, at("c"))} - ${top}`);
      const value = isLog
        ? `${below} - ${language.call("log", total)}`
        : `${language.call("exp", below)} / ${total}`;
      finish(out, new Index(out.shape, undefined, inRow(kernel, row, width, "c")), kernel.let("f32", value));
    });
  };

/** A row's mean and 1/deviation. */
function rowStatistics(
  kernel: KernelBuilder,
  x: Value,
  { width, at }: ReturnType<typeof rowOf>,
  epsilon: number,
): { center: string; inverse: string } {
  const { language } = kernel;
  const sum = kernel.variable("f32", language.literal("f32", 0));
  eachPlace(kernel, "c", width, () => kernel.push(`${sum} += ${kernel.load(x, at("c"))};`));
  const center = meanOf(kernel, sum, width);
  const squares = kernel.variable("f32", language.literal("f32", 0));
  eachPlace(kernel, "c", width, () => {
    const off = kernel.let("f32", `${kernel.load(x, at("c"))} - ${center}`);
    kernel.push(`${squares} += ${off} * ${off};`);
  });
  const variance = meanOf(kernel, squares, width);
  const inverse = language.call("inverseSqrt", `${variance} + ${language.literal("f32", epsilon)}`);
  return { center, inverse: kernel.let("f32", inverse) };
}

/** The mean over a row of what each thread of its workgroup has summed. */
function meanOf(kernel: KernelBuilder, name: string, width: number): string {
  const all = combine(kernel, name, added);
  return kernel.let("f32", `${all} / ${kernel.language.convert("u32", "f32", kernel.size(width))}`);
}

/** Normalizes rows: `finish` gets each normalized number, `finishRow` 1/deviation. */
function normalized(
  kernel: KernelBuilder,
  x: Value,
  epsilon: number,
  finish: (index: Index, number: string) => void,
  finishRow?: (row: string, inverse: string) => void,
): void {
  const line = rowOf(kernel, x);
  const { row, width, at } = line;
  const { center, inverse } = rowStatistics(kernel, x, line, epsilon);
  eachPlace(kernel, "c", width, () => {
    const number = kernel.let("f32", `(${kernel.load(x, at("c"))} - ${center}) * ${inverse}`);
    finish(new Index(x.shape, at("c").coords(kernel), inRow(kernel, row, width, "c")), number);
  });
  if (finishRow) kernel.block("if (lid == 0u)", () => finishRow(row, inverse));
}

/**
 * With n the normalized row and g = dy gain: dx = (g - n mean(g n) - mean(g)) / deviation. The mean of x and 1/deviation
 * are outputs, too.
 */
const normGradient: Root = (kernel, node, finish) => {
  const [dy, x, gain] = node.inputs;
  const [dx, meanOut, inverseOut] = node.outputs;
  const { language } = kernel;
  const line = rowOf(kernel, x);
  const { row, width, at } = line;
  const { center, inverse } = rowStatistics(kernel, x, line, epsilonOf(node.attributes));
  /** The gradient by the normalized number, and that number. */
  const both = (): [slope: string, number: string] => {
    const place = at("c");
    const by = kernel.load(gain, broadcastIndex(kernel, gain, place));
    return [
      kernel.let("f32", `${kernel.load(dy, place)} * ${by}`),
      kernel.let("f32", `(${kernel.load(x, place)} - ${center}) * ${inverse}`),
    ];
  };
  const [sum, products] = [1, 2].map(() => kernel.variable("f32", language.literal("f32", 0)));
  eachPlace(kernel, "c", width, () => {
    const [slope, number] = both();
    kernel.push(`${sum} += ${slope};`);
    kernel.push(`${products} += ${slope} * ${number};`);
  });
  const [mean, share] = [sum, products].map((name) => meanOf(kernel, name, width));
  eachPlace(kernel, "c", width, () => {
    const [slope, number] = both();
    const value = kernel.let("f32", `(${slope} - ${number} * ${share} - ${mean}) * ${inverse}`);
    finish(dx, new Index(x.shape, at("c").coords(kernel), inRow(kernel, row, width, "c")), value);
  });
  kernel.block("if (lid == 0u)", () => {
    finish(meanOut, new Index(meanOut.shape, undefined, row), center);
    finish(inverseOut, new Index(inverseOut.shape, undefined, row), inverse);
  });
};

const epsilonOf = (attributes: Record<string, unknown>): number =>
  (attributes.epsilon as { float: number }).float;

const layerNorm: Root = (kernel, { inputs: [x], outputs: [out, inverse], attributes }, finish) =>
  normalized(
    kernel,
    x,
    epsilonOf(attributes),
    (index, number) => finish(out, index, number),
    (row, value) => finish(inverse, new Index(inverse.shape, undefined, row), value),
  );

const modulatedLayerNorm: Root = (
  kernel,
  { inputs: [x, gain, shift], outputs: [out], attributes },
  finish: Finish,
) =>
  normalized(kernel, x, epsilonOf(attributes), (index, number) => {
    const [by, and] = [gain, shift].map((value) => kernel.load(value, broadcastIndex(kernel, value, index)));
    finish(out, index, kernel.let("f32", `${number} * ${by} + ${and}`));
  });

const simple: Readonly<Record<string, Root>> = {
  ReduceSum: reduction({ start: 0, join: added }),
  ReduceMean: reduction({
    start: 0,
    join: added,
    end: (kernel, total, count) => `${total} / ${kernel.language.convert("u32", "f32", kernel.size(count))}`,
  }),
  ReduceSumSquare: reduction({ start: 0, term: (x) => `${x} * ${x}`, join: added }),
  ReduceProd: reduction({ start: 1, join: multiplied }),
  ReduceMax: reduction({ start: LOWEST, join: joined("max") }),
  ReduceMin: reduction({ start: -LOWEST, join: joined("min") }),
};

export const REDUCTIONS: Readonly<Record<string, Root>> = {
  ...simple,
  ...Object.fromEntries(Object.entries(simple).map(([op, root]) => [`ditlab.Partial${op}`, root])),
  "ditlab.SquareSums": squareSum,
  Softmax: softmax(false),
  LogSoftmax: softmax(true),
  "ditlab.LayerNorm": layerNorm,
  "ditlab.ModulatedLayerNorm": modulatedLayerNorm,
  "ditlab.NormGradient": normGradient,
};
