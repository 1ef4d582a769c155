/** What a workgroup of a product does: by way of tiles in its memory, or straight from the device's. */
import { Index, type KernelBuilder } from "./builder.ts";
import { type ProductForm, slabOf, threadsOf } from "./forms.ts";
import { sumsByMatrices, sumsByThreads } from "./product-sums.ts";
import { type Factor, tileOf } from "./product-tiles.ts";

/** A workgroup's part of a product. */
export interface ProductPart {
  form: ProductForm;
  left: Factor;
  right: Factor;
  /** The first term, and behind the last. */
  start: string;
  end: string;
  /** Stores a sum, if there is such a row and column. */
  finishSum(row: string, column: string, sum: string): void;
  /** The sums of the first factor's rows, which some workgroups compute, too; stored if there is such a row. */
  factorSum?: { condition: string; finish(row: string, sum: string): void };
}

/** While the tiles in the workgroup's memory are multiplied, the next ones are fetched. */
export function inTiles(kernel: KernelBuilder, part: ProductPart): void {
  const { form, start, end, finishSum, factorSum } = part;
  const { language } = kernel;
  const left = tileOf(kernel, form, "left_tile", part.left);
  const right = tileOf(kernel, form, "right_tile", part.right);
  const sums = form.matrices ? sumsByMatrices(kernel, form, form.matrices) : sumsByThreads(kernel, form);
  // There is a thread for each of them.
  const adds = factorSum && `${factorSum.condition} && lid < ${form.rows}u`;
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
  if (factorSum)
    kernel.block(`if (${adds})`, () => factorSum.finish(kernel.let("u32", "row0 + lid"), "factor_sum"));
  for (let slab = 0; slab < sums.slabs; slab++) {
    sums.write(slab);
    kernel.barrier();
    kernel.repeat("e", "lid", `${slabOf(form) * form.columns}u`, `${threadsOf(form)}u`, () => {
      kernel.push(language.constant("u32", "line", `e / ${form.columns}u`));
      kernel.push(language.constant("u32", "row", `row0 + ${sums.rowOf(slab, "line")}`));
      kernel.push(language.constant("u32", "column", `column0 + e % ${form.columns}u`));
      finishSum("row", "column", sums.read("e"));
    });
    if (slab + 1 < sums.slabs) kernel.barrier();
  }
}

/**
 * Each thread reads its own rows and columns of the factors. A processor that plays a GPU has a cache, and no memory for
 * workgroups that would be nearer.
 */
export function withoutTiles(kernel: KernelBuilder, part: ProductPart): void {
  const { form, left, right, start, end, finishSum, factorSum } = part;
  const { language } = kernel;
  const [down, across] = [form.rows / form.eachRows, form.columns / form.eachColumns];
  const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
  const [rows, columns] = [range(form.eachRows), range(form.eachColumns)];
  const zero = language.literal("f32", 0);
  for (const i of rows)
    kernel.push(language.constant("u32", `own_row${i}`, `row0 + lid / ${across}u + ${i * down}u`));
  for (const j of columns)
    kernel.push(language.constant("u32", `own_column${j}`, `column0 + lid % ${across}u + ${j * across}u`));
  for (const i of rows) for (const j of columns) kernel.push(language.variable("f32", `sum${i}_${j}`, zero));
  if (factorSum) for (const i of rows) kernel.push(language.variable("f32", `factor_sum${i}`, zero));
  /** A factor's number; beyond its last row are those of that one, whose sums nobody keeps. */
  const load = ({ value, batch, count, termsLast, depth }: Factor, row: string): string => {
    const last =
      count === 1 ? "0u" : kernel.let("u32", language.call("min", row, `${kernel.size(count)} - 1u`));
    const term = depth === 1 ? "0u" : "k";
    const own = value.shape
      .slice(-2)
      .map((size, axis) => (size === 1 ? "0u" : termsLast === (axis === 0) ? last : term));
    return kernel.load(value, new Index(value.shape, [...batch, ...own]));
  };
  kernel.repeat("k", start, end, "1u", () => {
    const lefts = rows.map((i) => load(left, `own_row${i}`));
    const rights = columns.map((j) => load(right, `own_column${j}`));
    for (const i of rows) {
      if (factorSum) kernel.push(`factor_sum${i} += ${lefts[i]};`);
      for (const j of columns) kernel.push(`sum${i}_${j} += ${lefts[i]} * ${rights[j]};`);
    }
  });
  if (factorSum)
    kernel.block(`if (${factorSum.condition} && lid % ${across}u == 0u)`, () => {
      for (const i of rows) factorSum.finish(`own_row${i}`, `factor_sum${i}`);
    });
  for (const i of rows) for (const j of columns) finishSum(`own_row${i}`, `own_column${j}`, `sum${i}_${j}`);
}
