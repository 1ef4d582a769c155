/** Rows of the last axis that are normalized. */
import { sizeOf, type Value } from "../graph.ts";
import { broadcastIndex, Index, type KernelBuilder } from "./builder.ts";
import type { Finish, Root } from "./root.ts";
import { added, combine, eachPlace, type Join, joined, threads, workgroups } from "./threads.ts";

const LOWEST = -3.4028234663852886e38;

/** Rows that are no longer than this are for a thread alone. */
const SHORT = 32;

/** A row of the last axis: the threads of a workgroup share it, or one has it where it is short. */
interface Row {
  number: string;
  width: number;
  at(column: string): Index;
  /** Runs through the row's columns, `c`. */
  each(body: () => void): void;
  /** What all threads of a row have come to. */
  all(name: string, join: Join): string;
  /** Once a row. */
  once(body: () => void): void;
}

function rowOf(kernel: KernelBuilder, { shape }: Value): Row {
  const width = shape[shape.length - 1];
  const rows = sizeOf(shape) / width;
  const isShort = width <= SHORT;
  const number = isShort ? threads(kernel, rows) : workgroups(kernel, rows);
  const outer = new Index(shape.slice(0, -1), undefined, number).coords(kernel);
  return {
    number,
    width,
    at: (column) => new Index(shape, [...outer, column]),
    each: (body) =>
      isShort
        ? kernel.repeat("c", "0u", kernel.size(width), "1u", body)
        : eachPlace(kernel, "c", width, body),
    all: (name, join) => (isShort ? name : combine(kernel, name, join)),
    once: (body) => (isShort ? body() : kernel.block("if (lid == 0u)", body)),
  };
}

/** The place in memory of a column of a row. */
const inRow = (kernel: KernelBuilder, { number, width }: Row, column: string): string =>
  kernel.let("u32", `${number} * ${kernel.size(width)} + ${column}`);

const softmax =
  (isLog: boolean): Root =>
  (kernel, node, finish) => {
    const [x] = node.inputs;
    const [out] = node.outputs;
    const axis = (node.attributes.axis as number | undefined) ?? -1;
    if (axis !== -1 && axis !== x.shape.length - 1) throw new Error("jit: a softmax is over the last axis");
    const { language } = kernel;
    const row = rowOf(kernel, x);
    const { at } = row;
    const most = kernel.variable("f32", language.literal("f32", LOWEST));
    row.each(() => kernel.push(`${most} = ${language.call("max", most, kernel.load(x, at("c")))};`));
    const top = row.all(most, joined("max"));
    const sum = kernel.variable("f32", language.literal("f32", 0));
    row.each(() => kernel.push(`${sum} += ${language.call("exp", `${kernel.load(x, at("c"))} - ${top}`)};`));
    const total = row.all(sum, added);
    row.each(() => {
      const below = kernel.let("f32", `${kernel.load(x, at("c"))} - ${top}`);
      const value = isLog
        ? `${below} - ${language.call("log", total)}`
        : `${language.call("exp", below)} / ${total}`;
      finish(out, new Index(out.shape, undefined, inRow(kernel, row, "c")), kernel.let("f32", value));
    });
  };

/** A row's mean and 1/deviation. */
function rowStatistics(
  kernel: KernelBuilder,
  x: Value,
  row: Row,
  epsilon: number,
): { center: string; inverse: string } {
  const { language } = kernel;
  const { at } = row;
  const sum = kernel.variable("f32", language.literal("f32", 0));
  row.each(() => kernel.push(`${sum} += ${kernel.load(x, at("c"))};`));
  const center = meanOf(kernel, sum, row);
  const squares = kernel.variable("f32", language.literal("f32", 0));
  row.each(() => {
    const off = kernel.let("f32", `${kernel.load(x, at("c"))} - ${center}`);
    kernel.push(`${squares} += ${off} * ${off};`);
  });
  const variance = meanOf(kernel, squares, row);
  const inverse = language.call("inverseSqrt", `${variance} + ${language.literal("f32", epsilon)}`);
  return { center, inverse: kernel.let("f32", inverse) };
}

/** The mean over a row of what its threads have summed. */
function meanOf(kernel: KernelBuilder, name: string, row: Row): string {
  const all = row.all(name, added);
  return kernel.let("f32", `${all} / ${kernel.language.convert("u32", "f32", kernel.size(row.width))}`);
}

/** Normalizes rows: `finish` gets each normalized number, `finishRow` 1/deviation. */
function normalized(
  kernel: KernelBuilder,
  x: Value,
  epsilon: number,
  finish: (index: Index, number: string) => void,
  finishRow?: (row: string, inverse: string) => void,
): void {
  const row = rowOf(kernel, x);
  const { at } = row;
  const { center, inverse } = rowStatistics(kernel, x, row, epsilon);
  row.each(() => {
    const number = kernel.let("f32", `(${kernel.load(x, at("c"))} - ${center}) * ${inverse}`);
    finish(new Index(x.shape, at("c").coords(kernel), inRow(kernel, row, "c")), number);
  });
  if (finishRow) row.once(() => finishRow(row.number, inverse));
}

/**
 * With n the normalized row and g = dy gain: dx = (g - n mean(g n) - mean(g)) / deviation. The mean of x and 1/deviation
 * are outputs, too.
 */
const normGradient: Root = (kernel, node, finish) => {
  const [dy, x, gain] = node.inputs;
  const [dx, meanOut, inverseOut] = node.outputs;
  const { language } = kernel;
  const row = rowOf(kernel, x);
  const { at } = row;
  const { center, inverse } = rowStatistics(kernel, x, row, epsilonOf(node.attributes));
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
  row.each(() => {
    const [slope, number] = both();
    kernel.push(`${sum} += ${slope};`);
    kernel.push(`${products} += ${slope} * ${number};`);
  });
  const [mean, share] = [sum, products].map((name) => meanOf(kernel, name, row));
  row.each(() => {
    const [slope, number] = both();
    const value = kernel.let("f32", `(${slope} - ${number} * ${share} - ${mean}) * ${inverse}`);
    finish(dx, new Index(x.shape, at("c").coords(kernel), inRow(kernel, row, "c")), value);
  });
  row.once(() => {
    finish(meanOut, new Index(meanOut.shape, undefined, row.number), center);
    finish(inverseOut, new Index(inverseOut.shape, undefined, row.number), inverse);
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

export const ROWS: Readonly<Record<string, Root>> = {
  Softmax: softmax(false),
  LogSoftmax: softmax(true),
  "ditlab.LayerNorm": layerNorm,
  "ditlab.ModulatedLayerNorm": modulatedLayerNorm,
  "ditlab.NormGradient": normGradient,
};
