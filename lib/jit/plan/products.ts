/** Matrix products in tiles. */
import { type GraphNode, sizeOf, type Value } from "../graph.ts";
import { ATTENTION } from "./attention.ts";
import { Index, type KernelBuilder, times } from "./builder.ts";
import { type ProductSize, threadsOf } from "./forms.ts";
import { inTiles, withoutTiles } from "./product-writers.ts";
import type { Root } from "./root.ts";
import { eachPlace, workgroups } from "./threads.ts";

interface ProductShape {
  /** Parts that each sum is made in; the result begins with them where it is of parts. */
  parts: number;
  batches: readonly number[];
  size: Required<ProductSize>;
  alpha: number;
}

/** What a product of matrices is, as its node says. */
export function productOf({ inputs: [a], outputs: [out], attributes }: GraphNode): ProductShape {
  const {
    transA = 0,
    transB = 0,
    alpha,
  } = attributes as Record<string, number> & { alpha?: { float: number } };
  const rank = out.shape.length;
  const parts = attributes.parts as number | undefined;
  const batches = out.shape.slice(parts ? 1 : 0, -2);
  const size = {
    rows: out.shape[rank - 2],
    columns: out.shape[rank - 1],
    depth: a.shape[a.shape.length - (transA ? 2 : 1)],
    batch: sizeOf(batches),
    transA: transA === 1,
    transB: transB === 1,
  };
  return { parts: parts ?? 1, batches, size, alpha: alpha?.float ?? 1 };
}

/** Beside the product, the sums over the rows of its first factor, which is transposed. */
const matMul: Root = (kernel, node, finish, [sumNode]) => {
  const { inputs, outputs } = node;
  const [[a, b], [out]] = [inputs, outputs];
  if (out.dtype !== "float32") throw new Error("jit: products of integers have no kernel on a GPU");
  const { parts, batches, size, alpha } = productOf(node);
  const { rows, columns, depth, batch: batchSize, transA, transB } = size;
  const { language } = kernel;
  const { form } = kernel.style.formOf(size);
  const [across, down] = [Math.ceil(columns / form.columns), Math.ceil(rows / form.rows)];
  workgroups(kernel, across * down * batchSize * parts);
  kernel.workgroup = threadsOf(form);
  // Neighbours in a row of tiles share rows of the first factor, which the device's cache then has.
  const tile = across === 1 ? "0u" : kernel.let("u32", `group % ${kernel.size(across)}`);
  const line =
    down === 1 ? "0u" : kernel.let("u32", `(${over(kernel, "group", across)}) % ${kernel.size(down)}`);
  const matrix = batchSize * parts === 1 ? "0u" : over(kernel, "group", across * down);
  // A part has some of the terms, and its own place in the result.
  const [batchPlace, part] =
    parts === 1 ? [matrix, "0u"] : batchSize === 1 ? ["0u", matrix] : batchAndPart(kernel, matrix, parts);
  const batch = new Index(batches, undefined, batchPlace).coords(kernel);
  const batchOf = ({ shape }: Value): string[] =>
    shape.slice(0, -2).map((size, i) => (size === 1 ? "0u" : batch[i + batch.length - shape.length + 2]));
  kernel.push(language.constant("u32", "row0", `${line} * ${form.rows}u`));
  kernel.push(language.constant("u32", "column0", `${tile} * ${form.columns}u`));
  const count = kernel.size(Math.ceil(depth / parts));
  const start = parts === 1 ? "0u" : kernel.let("u32", `${part} * ${count}`);
  const all = kernel.size(depth);
  const end = parts === 1 ? all : kernel.let("u32", language.call("min", `${start} + ${count}`, all));
  const ofA = {
    value: a,
    batch: batchOf(a),
    first: "row0",
    count: rows,
    width: form.rows,
    termsLast: !transA,
    depth,
  };
  const ofB = {
    ...{ value: b, batch: batchOf(b), first: "column0", count: columns, width: form.columns },
    ...{ termsLast: transB, depth },
  };
  const first = kernel.let(
    "u32",
    times(kernel, wholePlace(kernel, batchPlace, part, batchSize), rows * columns),
  );
  const finishSum = (row: string, column: string, sum: string): void =>
    kernel.block(`if (${row} < ${kernel.size(rows)} && ${column} < ${kernel.size(columns)})`, () => {
      const value = kernel.let("f32", alpha === 1 ? sum : `${sum} * ${language.literal("f32", alpha)}`);
      const at = kernel.let("u32", `${first} + ${times(kernel, row, columns)} + ${column}`);
      // What reads a number for each row or column need not divide to find them.
      if (columns > 1) {
        kernel.know("u32", `${at} % ${kernel.size(columns)}`, column);
        if (matrix === "0u") kernel.know("u32", `${at} / ${kernel.size(columns)}`, row);
      }
      finish(out, new Index(out.shape, undefined, at), value);
    });
  // The first workgroup of each row of tiles sums the factor's rows.
  const factorSum = sumNode && {
    condition: `${tile} == 0u`,
    finish: (row: string, sum: string): void =>
      kernel.block(`if (${row} < ${kernel.size(rows)})`, () => {
        const [total] = sumNode.outputs;
        finish(total, new Index(total.shape, undefined, row), sum);
      }),
  };
  const write = form.terms === 0 ? withoutTiles : inTiles;
  write(kernel, { form, left: ofA, right: ofB, start, end, finishSum, factorSum });
};

/** The batch and the part of a workgroup, where there are several of both. */
function batchAndPart(kernel: KernelBuilder, matrix: string, parts: number): [batch: string, part: string] {
  const count = kernel.size(parts);
  return [kernel.let("u32", `${matrix} / ${count}`), kernel.let("u32", `${matrix} % ${count}`)];
}

/** An index divided by a number of the shapes. */
const over = (kernel: KernelBuilder, at: string, by: number): string =>
  by === 1 ? at : kernel.let("u32", `${at} / ${kernel.size(by)}`);

/** The place of a batch of a part among all, the parts first. */
function wholePlace(kernel: KernelBuilder, batch: string, part: string, count: number): string {
  if (part === "0u") return batch;
  return batch === "0u" ? part : kernel.let("u32", `${part} * ${kernel.size(count)} + ${batch}`);
}

/** Rows by segment: a thread for each number, over all rows. */
const segmentSum: Root = (kernel, { inputs: [x, ids], outputs: [out] }, finish) => {
  const [rows] = x.shape;
  const width = sizeOf(x.shape.slice(1));
  const [segments] = out.shape;
  const { language } = kernel;
  workgroups(kernel, segments);
  eachPlace(kernel, "c", width, () => {
    kernel.push(language.variable("f32", "sum", language.literal("f32", 0)));
    kernel.repeat("row", "0u", kernel.size(rows), "1u", () => {
      const id = kernel.load(ids, new Index([rows], [rows === 1 ? "0u" : "row"]));
      kernel.block(`if (${id} == ${language.convert("u32", "i32", "group")})`, () => {
        const place = kernel.let("u32", `${times(kernel, "row", width)} + c`);
        kernel.push(`sum += ${kernel.load(x, new Index(x.shape, undefined, place))};`);
      });
    });
    const place = kernel.let("u32", `${times(kernel, "group", width)} + c`);
    finish(out, new Index(out.shape, undefined, place), "sum");
  });
};

export const PRODUCTS: Readonly<Record<string, Root>> = {
  MatMul: matMul,
  "ditlab.ScaledMatMul": matMul,
  "ditlab.PartialMatMul": matMul,
  ...ATTENTION,
  "ditlab.SegmentSum": segmentSum,
};
