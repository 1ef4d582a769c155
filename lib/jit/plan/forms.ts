/** In what form a product is computed: chosen by its size and the device, unless a form has been measured to be better. */

/** How a workgroup computes its part of a product. */
export interface ProductForm {
  /** The tile of the result that a workgroup computes, and that of a thread. */
  rows: number;
  columns: number;
  eachRows: number;
  eachColumns: number;
  /** Threads that share a number's sum, each with terms of its own: where there are few numbers and many terms. */
  slices: number;
  /** Terms that each slice brings into the workgroup's memory at a time. */
  terms: number;
}

export interface ProductSize {
  rows: number;
  columns: number;
  /** Terms of each sum. */
  depth: number;
  batch: number;
}

/** What the choice asks of a device. */
export interface ProductDevice {
  /** Threads that it runs at a time. */
  threads: number;
  /** Whether one small form serves: a processor that plays a GPU compiles it in a fraction of the time. */
  isSimple: boolean;
  /** Bytes of memory that a workgroup may have. */
  workgroupMemory: number;
  /** Forms that are known to be the best for some sizes. */
  measured?(size: ProductSize): ProductForm | undefined;
}

/** Bytes that every device has. */
const LEAST_MEMORY = 16_384;

/** A GPU of which nothing else is known. */
export const SOME_GPU: ProductDevice = {
  threads: 32_768,
  isSimple: false,
  workgroupMemory: LEAST_MEMORY,
};
export const SIMPLE: ProductDevice = { threads: 64, isSimple: true, workgroupMemory: LEAST_MEMORY };

const square = (tile: number, each: number, slices: number, terms: number): ProductForm => ({
  rows: tile,
  columns: tile,
  eachRows: each,
  eachColumns: each,
  slices,
  terms,
});

const SIMPLE_FORM = square(8, 1, 1, 8);

/** Each has at most 256 threads and 4,096 numbers of a workgroup's memory, which every device allows. */
export const FORMS: readonly ProductForm[] = [
  square(64, 4, 1, 16),
  square(32, 4, 1, 16),
  square(32, 4, 4, 8),
  { rows: 8, columns: 32, eachRows: 2, eachColumns: 4, slices: 8, terms: 8 },
  { rows: 32, columns: 8, eachRows: 4, eachColumns: 2, slices: 8, terms: 8 },
  square(8, 1, 4, 8),
];

export const threadsOf = ({ rows, columns, eachRows, eachColumns, slices }: ProductForm): number =>
  (rows / eachRows) * (columns / eachColumns) * slices;

/** Numbers of a workgroup's memory that a form takes: tiles of both factors, and of the result where slices are added up. */
export const memoryOf = ({ rows, columns, slices, terms }: ProductForm): number =>
  (rows + columns) * terms * slices + (slices > 1 ? rows * columns : 0);

export const tilesOf = ({ rows, columns, batch }: ProductSize, form: ProductForm): number =>
  Math.ceil(rows / form.rows) * Math.ceil(columns / form.columns) * batch;

/**
 * About how long a product takes, in products of two numbers one after the other: rounds of workgroups, times what a thread
 * computes, with what it fetches for it from the workgroup's memory and from the device's.
 */
function cost(size: ProductSize, form: ProductForm, { threads }: ProductDevice): number {
  const own = threadsOf(form);
  const rounds = Math.max(1, (tilesOf(size, form) * own) / threads);
  const { rows, columns, eachRows, eachColumns, slices, terms } = form;
  const steps = Math.ceil(size.depth / (terms * slices)) * terms;
  const fetched = ((rows + columns) * slices) / own;
  return rounds * (steps * (eachRows * eachColumns + eachRows + eachColumns + 4 * fetched) + 8 * slices);
}

/** The form that a product of a size takes on a device. */
export function formFor(size: ProductSize, device: ProductDevice): ProductForm {
  const measured = device.measured?.(size);
  if (measured) return measured;
  if (device.isSimple) return SIMPLE_FORM;
  return FORMS.reduce((best, form) => (cost(size, form, device) < cost(size, best, device) ? form : best));
}
