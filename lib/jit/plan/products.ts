/** Matrix products in tiles. */
import { type GraphNode, sizeOf, type Value } from "../graph.ts";
import { ATTENTION } from "./attention.ts";
import { Index, type KernelBuilder, times } from "./builder.ts";
import { type ProductSize, slabOf, threadsOf } from "./forms.ts";
import { sumsByMatrices, sumsByThreads } from "./product-sums.ts";
import { tileOf } from "./product-tiles.ts";
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
    parts === 1 ? [matrix, "0u"] : batchSize === 1 ? ["0u", matrix] : dealt(kernel, matrix, parts);
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
  const left = tileOf(kernel, form, "left_tile", ofA);
  const right = tileOf(kernel, form, "right_tile", ofB);
  const sums = form.matrices ? sumsByMatrices(kernel, form, form.matrices) : sumsByThreads(kernel, form);
  // The first workgroup of each row of tiles has a thread for each sum.
  const adds = sumNode && `${tile} == 0u && lid < ${form.rows}u`;
  if (adds) kernel.push(language.variable("f32", "factor_sum", language.literal("f32", 0)));
  left.fetch(start, end);
  right.fetch(start, end);
  kernel.repeat("k0", start, end, `${form.terms}u`, () => {
    left.bring();
    right.bring();
    kernel.barrier();
    kernel.push(language.constant("u32", "next", `k0 + ${form.terms}u`));
    kernel.block(`if (next < ${end})`, () => {
      left.fetch("next", end);
      right.fetch("next", end);
    });
    if (adds)
      kernel.block(`if (${adds})`, () =>
        kernel.repeat("k", "0u", `${form.terms}u`, "1u", () =>
          kernel.push(`factor_sum += ${language.component(left.name, `k * ${left.pitch}u + lid`)};`),
        ),
      );
    sums.add(left, right);
    kernel.barrier();
  });
  if (adds)
    kernel.block(`if (${adds} && row0 + lid < ${kernel.size(rows)})`, () => {
      const [total] = sumNode.outputs;
      finish(total, new Index(total.shape, undefined, kernel.let("u32", "row0 + lid")), "factor_sum");
    });
  const first = kernel.let(
    "u32",
    times(kernel, wholePlace(kernel, batchPlace, part, batchSize), rows * columns),
  );
  for (let slab = 0; slab < sums.slabs; slab++) {
    sums.write(slab);
    kernel.barrier();
    kernel.repeat("e", "lid", `${slabOf(form) * form.columns}u`, `${kernel.workgroup}u`, () => {
      kernel.push(language.constant("u32", "line", `e / ${form.columns}u`));
      kernel.push(language.constant("u32", "row", `row0 + ${sums.rowOf(slab, "line")}`));
      kernel.push(language.constant("u32", "column", `column0 + e % ${form.columns}u`));
      kernel.block(`if (row < ${kernel.size(rows)} && column < ${kernel.size(columns)})`, () => {
        const sum = alpha === 1 ? sums.read("e") : `${sums.read("e")} * ${language.literal("f32", alpha)}`;
        const value = kernel.let("f32", sum);
        const place = `${first} + ${times(kernel, "row", columns)} + column`;
        const at = kernel.let("u32", place);
        // What reads a number for each row or column need not divide to find them.
        if (columns > 1) {
          kernel.know("u32", `${at} % ${kernel.size(columns)}`, "column");
          if (matrix === "0u") kernel.know("u32", `${at} / ${kernel.size(columns)}`, "row");
        }
        finish(out, new Index(out.shape, undefined, at), value);
      });
    });
    if (slab + 1 < sums.slabs) kernel.barrier();
  }
};

/** The batch and the part of a workgroup, where there are several of both. */
function dealt(kernel: KernelBuilder, matrix: string, parts: number): [batch: string, part: string] {
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
