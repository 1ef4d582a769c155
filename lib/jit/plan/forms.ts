/** In what form a product is computed: chosen by its size and the device, unless a form has been measured to be better. */

import type { OwnKernels } from "./language.ts";

/** How a workgroup computes its part of a product. */
export interface ProductForm {
  /** The tile of the result that a workgroup computes, and a thread's (or a subgroup's, by matrices) part of it. */
  rows: number;
  columns: number;
  eachRows: number;
  eachColumns: number;
  /** Terms whose factors are brought into the workgroup's memory at a time; 0 where threads read the device's. */
  terms: number;
  /** By matrices of 16 bits that a subgroup multiplies at once, where the device has them. */
  matrices?: MatrixShape;
}

/** Rows, columns and terms of a product that a subgroup computes at once, of what numbers, and threads of a subgroup. */
export interface MatrixShape {
  format: "float16" | "bfloat16";
  M: number;
  N: number;
  K: number;
  threads: number;
}

export interface ProductSize {
  rows: number;
  columns: number;
  /** Terms of each sum. */
  depth: number;
  batch: number;
  /** Whether a factor lies in memory the other way round. */
  transA?: boolean;
  transB?: boolean;
}

/** A product's form, and in how many parts its sums are made, each by workgroups of its own, and added up behind. */
export interface ProductChoice {
  form: ProductForm;
  parts: number;
}

/** What the choice asks of a device. */
export interface ProductDevice {
  /** Threads that it runs at a time. */
  threads: number;
  /** Bytes that a workgroup has for its threads together. */
  workgroupMemory: number;
  /** Whether one small form serves: a processor that plays a GPU compiles it in a fraction of the time. */
  isSimple: boolean;
  /** A library of its own computes products, where their factors lie in memory; those of float32 in this precision. */
  library?: "float32" | "tf32";
  /** Kernels of its own. */
  own?: OwnKernels;
  /** Matrices that its subgroups multiply, if products are to be computed by them. */
  matrices?: MatrixShape;
  /** What is known to be the best for some sizes. */
  measured?(size: ProductSize): ProductChoice | undefined;
}

/** Bytes of a workgroup's memory that every device has. */
const LEAST_MEMORY = 16_384;

/** A GPU of which nothing else is known. */
export const SOME_GPU: ProductDevice = { threads: 65_536, workgroupMemory: LEAST_MEMORY, isSimple: false };
export const SIMPLE: ProductDevice = { threads: 64, workgroupMemory: LEAST_MEMORY, isSimple: true };

const square = (tile: number, each: number, terms: number): ProductForm => ({
  rows: tile,
  columns: tile,
  eachRows: each,
  eachColumns: each,
  terms,
});

/** What is read twice comes from a processor's cache; to wait for other threads takes it longer than to read. */
const SIMPLE_FORM = { ...square(32, 4, 0), columns: 16, eachColumns: 2 };

/** Each has at most 256 threads, which every device allows, and no fewer than rows. */
export const FORMS: readonly ProductForm[] = [
  { ...square(128, 8, 16), columns: 64, eachColumns: 4 },
  { ...square(64, 4, 16), columns: 128, eachColumns: 8 },
  square(128, 8, 16),
  square(64, 4, 16),
  square(32, 4, 16),
  { rows: 8, columns: 64, eachRows: 2, eachColumns: 4, terms: 32 },
  { rows: 64, columns: 8, eachRows: 4, eachColumns: 2, terms: 32 },
  SIMPLE_FORM,
];

/** The same by matrices: a subgroup's part is a quarter of the tile. Larger ones take drivers seconds to compile. */
export const matrixForms = (matrices: MatrixShape): ProductForm[] =>
  [
    { rows: 128, columns: 64, eachRows: 64, eachColumns: 32, terms: 32 },
    { rows: 64, columns: 64, eachRows: 32, eachColumns: 32, terms: 32 },
  ].map((form) => ({ ...form, matrices }));

export const threadsOf = ({ rows, columns, eachRows, eachColumns, matrices }: ProductForm): number =>
  (rows / eachRows) * (columns / eachColumns) * (matrices?.threads ?? 1);

/** Numbers between a tile's lines, so that threads which read down a column do not wait for each other. */
export const paddingOf = ({ matrices }: ProductForm): number => (matrices ? 8 : 4);

/** Rows of a tile that a workgroup writes at a time. */
export const slabOf = ({ rows, eachRows, matrices }: ProductForm): number =>
  (rows / eachRows) * (matrices?.M ?? 1);

/** Bytes of a workgroup's memory that a form takes: tiles of both factors, and some rows of the result. */
export function memoryOf(form: ProductForm): number {
  const { rows, columns, terms, matrices } = form;
  if (terms === 0) return 0;
  const padding = paddingOf(form);
  const tile = (across: number): number =>
    matrices
      ? 2 * Math.max((across + padding) * terms, across * (terms + padding))
      : 4 * terms * (across + padding);
  return tile(rows) + tile(columns) + 4 * slabOf(form) * columns;
}

export const tilesOf = ({ rows, columns, batch }: ProductSize, form: ProductForm): number =>
  Math.ceil(rows / form.rows) * Math.ceil(columns / form.columns) * batch;

/** Terms that a part of a sum has at least, and parts at most. */
const PART = 256;
export const MOST_PARTS = 32;

/** Parts in which sums are made so that the whole device is at work. */
function partsFor(size: ProductSize, form: ProductForm, { threads, isSimple }: ProductDevice): number {
  if (isSimple) return 1;
  const missing = threads / (tilesOf(size, form) * threadsOf(form));
  return Math.max(1, Math.min(Math.floor(missing), Math.floor(size.depth / PART), MOST_PARTS));
}

/**
 * About how long a product takes, in products of two numbers one after the other: rounds of workgroups, times what a thread
 * computes, with what it fetches for it from the workgroup's memory and from the device's, and what adding parts up takes.
 */
function cost(size: ProductSize, form: ProductForm, parts: number, { threads }: ProductDevice): number {
  const own = threadsOf(form);
  const rounds = Math.max(1, (tilesOf(size, form) * parts * own) / threads);
  const { rows, columns, eachRows, eachColumns, terms, matrices } = form;
  const steps = Math.ceil(size.depth / parts / terms) * terms;
  const wide = (each: number): number => (each % 4 === 0 ? each / 4 : each);
  const fetched = (rows + columns) / own;
  const read = matrices ? 0 : 2 * (wide(eachRows) + wide(eachColumns));
  // A subgroup's matrices are multiplied by units of their own.
  const work = (eachRows * eachColumns) / (matrices ? 4 * matrices.threads : 1);
  const merged = parts > 1 ? (4 * (parts + 1) * size.rows * size.columns * size.batch) / threads + 2000 : 0;
  return rounds * steps * (work + read + 8 * fetched) + merged;
}

/** Forms, and parts, that a product of a size may take on a device: what should be the fastest comes first. */
export function choicesFor(size: ProductSize, device: ProductDevice): ProductChoice[] {
  const forms = device.matrices ? matrixForms(device.matrices) : FORMS;
  return forms
    .filter((form) => form !== SIMPLE_FORM && memoryOf(form) <= device.workgroupMemory)
    .flatMap((form) => {
      const parts = partsFor(size, form, device);
      const all = parts > 1 ? [parts, Math.ceil(parts / 2), Math.min(2 * parts, MOST_PARTS)] : [1];
      return [...new Set(all)].map((parts) => ({ form, parts }));
    })
    .map((choice) => ({ choice, cost: cost(size, choice.form, choice.parts, device) }))
    .sort((a, b) => a.cost - b.cost)
    .map(({ choice }) => choice);
}

/** The form that a product of a size takes on a device. */
export function formFor(size: ProductSize, device: ProductDevice): ProductChoice {
  if (device.isSimple) return device.measured?.(size) ?? { form: SIMPLE_FORM, parts: 1 };
  return device.measured?.(size) ?? choicesFor(size, device)[0];
}
