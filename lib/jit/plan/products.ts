/** Matrix products in tiles. */
import { sizeOf, type Value } from "../graph.ts";
import { ATTENTION } from "./attention.ts";
import { Index, type KernelBuilder, times } from "./builder.ts";
import { type ProductForm, threadsOf } from "./forms.ts";
import type { Root } from "./root.ts";
import { eachPlace, workgroups } from "./threads.ts";

interface ProductShape {
  rows: number;
  columns: number;
  depth: number;
  transA: boolean;
  transB: boolean;
  alpha: number;
}

function shapeOf(a: Value, out: Value, attributes: Record<string, unknown>): ProductShape {
  const {
    transA = 0,
    transB = 0,
    alpha,
  } = attributes as Record<string, number> & { alpha?: { float: number } };
  const rank = out.shape.length;
  return {
    rows: out.shape[rank - 2],
    columns: out.shape[rank - 1],
    depth: a.shape[a.shape.length - (transA ? 2 : 1)],
    transA: transA === 1,
    transB: transB === 1,
    alpha: alpha?.float ?? 1,
  };
}

/** Brings a tile of a factor into the workgroup's memory, as [term][row or column]. */
function stage(
  kernel: KernelBuilder,
  factor: Value,
  name: string,
  batch: readonly string[],
  tile: { width: number; terms: number },
  { first, count, depth, termsLast }: { first: string; count: number; depth: number; termsLast: boolean },
): void {
  const { language } = kernel;
  const { width, terms } = tile;
  kernel.repeat("e", "lid", `${width * terms}u`, `${kernel.workgroup}u`, () => {
    // Neighbouring threads take neighbours in memory.
    const [across, along] = termsLast
      ? [`e / ${terms}u`, `e % ${terms}u`]
      : [`e % ${width}u`, `e / ${width}u`];
    kernel.push(language.constant("u32", "across", across));
    kernel.push(language.constant("u32", "along", along));
    kernel.push(language.constant("u32", "p", `${first} + across`));
    kernel.push(language.constant("u32", "q", "k0 + along"));
    kernel.push(language.variable("f32", "x", language.literal("f32", 0)));
    kernel.block(`if (p < ${kernel.size(count)} && q < ${kernel.size(depth)})`, () => {
      const at = termsLast ? ["p", "q"] : ["q", "p"];
      const own = factor.shape.slice(-2).map((size, i) => (size === 1 ? "0u" : at[i]));
      kernel.push(`x = ${kernel.load(factor, new Index(factor.shape, [...batch, ...own]))};`);
    });
    kernel.push(`${name}[along * ${width}u + across] = x;`);
  });
}

/** Adds to the first slice's sums what the others have, one after the other by way of the workgroup's memory. */
function addSlices(
  kernel: KernelBuilder,
  { slices, rows, columns, eachRows, eachColumns }: ProductForm,
): void {
  const { language } = kernel;
  kernel.shared.push({ name: "tileSums", type: "f32", length: rows * columns });
  const each = eachRows * eachColumns;
  kernel.repeat("other", "1u", `${slices}u`, "1u", () => {
    const eachSum = (condition: string, statement: string): void =>
      kernel.block(`if (${condition})`, () =>
        kernel.repeat("s", "0u", `${each}u`, "1u", () => {
          kernel.push(language.constant("u32", "at", `(lid % ${(rows * columns) / each}u) * ${each}u + s`));
          kernel.push(statement);
        }),
      );
    eachSum("slice == other", "tileSums[at] = sums[s];");
    kernel.barrier();
    eachSum("slice == 0u", "sums[s] += tileSums[at];");
    kernel.barrier();
  });
}

/** Beside the product, the sums over the rows of its first factor, which is transposed. */
const matMul: Root = (kernel, { inputs: [a, b], outputs: [out], attributes }, finish, [sumNode]) => {
  if (out.dtype !== "float32") throw new Error("jit: products of integers have no kernel on a GPU");
  const { rows, columns, depth, transA, transB, alpha } = shapeOf(a, out, attributes);
  const { language } = kernel;
  const batches = out.shape.slice(0, -2);
  const form = kernel.style.formOf({ rows, columns, depth, batch: sizeOf(batches) });
  const { eachRows, eachColumns, slices } = form;
  const terms = form.terms * slices;
  kernel.workgroup = threadsOf(form);
  kernel.groups = [Math.ceil(columns / form.columns), Math.ceil(rows / form.rows), sizeOf(batches)];
  kernel.shared.push({ name: "tileA", type: "f32", length: form.rows * terms });
  kernel.shared.push({ name: "tileB", type: "f32", length: form.columns * terms });
  const batch = new Index(batches, undefined, "wg.z").coords(kernel);
  const batchOf = ({ shape }: Value): string[] =>
    shape.slice(0, -2).map((size, i) => (size === 1 ? "0u" : batch[i + batch.length - shape.length + 2]));
  const across = form.columns / eachColumns;
  const perSlice = (form.rows / eachRows) * across;
  kernel.push(language.constant("u32", "row0", `wg.y * ${form.rows}u`));
  kernel.push(language.constant("u32", "column0", `wg.x * ${form.columns}u`));
  kernel.push(language.constant("u32", "slice", `lid / ${perSlice}u`));
  kernel.push(language.constant("u32", "ty", `lid % ${perSlice}u / ${across}u * ${eachRows}u`));
  kernel.push(language.constant("u32", "tx", `lid % ${across}u * ${eachColumns}u`));
  kernel.push(language.local({ name: "sums", type: "f32", length: eachRows * eachColumns }));
  const [batchA, batchB] = [batchOf(a), batchOf(b)];
  // The first workgroup of each row of tiles has a thread for each sum.
  const sums = sumNode && `wg.x == 0u && lid < ${form.rows}u`;
  if (sums) kernel.push(language.variable("f32", "factor_sum", language.literal("f32", 0)));
  const ofA = { first: "row0", count: rows, depth, termsLast: !transA };
  const ofB = { first: "column0", count: columns, depth, termsLast: transB };
  kernel.repeat("k0", "0u", kernel.size(depth), `${terms}u`, () => {
    stage(kernel, a, "tileA", batchA, { width: form.rows, terms }, ofA);
    stage(kernel, b, "tileB", batchB, { width: form.columns, terms }, ofB);
    kernel.barrier();
    if (sums)
      kernel.block(`if (${sums})`, () =>
        kernel.repeat("k", "0u", `${terms}u`, "1u", () =>
          kernel.push(`factor_sum += tileA[k * ${form.rows}u + lid];`),
        ),
      );
    const [start, end] = [`slice * ${form.terms}u`, `(slice + 1u) * ${form.terms}u`];
    kernel.repeat("k", slices === 1 ? "0u" : start, slices === 1 ? `${terms}u` : end, "1u", () => {
      for (let i = 0; i < eachRows; i++)
        kernel.push(language.constant("f32", `a${i}`, `tileA[k * ${form.rows}u + ty + ${i}u]`));
      for (let j = 0; j < eachColumns; j++)
        kernel.push(language.constant("f32", `c${j}`, `tileB[k * ${form.columns}u + tx + ${j}u]`));
      for (let i = 0; i < eachRows; i++)
        for (let j = 0; j < eachColumns; j++) kernel.push(`sums[${i * eachColumns + j}] += a${i} * c${j};`);
    });
    kernel.barrier();
  });
  if (sums)
    kernel.block(`if (${sums} && row0 + lid < ${kernel.size(rows)})`, () => {
      const [total] = sumNode.outputs;
      finish(total, new Index(total.shape, undefined, kernel.let("u32", "row0 + lid")), "factor_sum");
    });
  if (slices > 1) addSlices(kernel, form);
  const store = (): void =>
    kernel.repeat("s", "0u", `${eachRows * eachColumns}u`, "1u", () => {
      kernel.push(language.constant("u32", "row", `row0 + ty + s / ${eachColumns}u`));
      kernel.push(language.constant("u32", "column", `column0 + tx + s % ${eachColumns}u`));
      kernel.block(`if (row < ${kernel.size(rows)} && column < ${kernel.size(columns)})`, () => {
        const sum = alpha === 1 ? "sums[s]" : `sums[s] * ${language.literal("f32", alpha)}`;
        const value = kernel.let("f32", sum);
        const place = `${times(kernel, "wg.z", rows * columns)} + ${times(kernel, "row", columns)} + column`;
        finish(out, new Index(out.shape, undefined, kernel.let("u32", place)), value);
      });
    });
  if (slices === 1) store();
  else kernel.block("if (slice == 0u)", store);
};

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
  ...ATTENTION,
  "ditlab.SegmentSum": segmentSum,
};
