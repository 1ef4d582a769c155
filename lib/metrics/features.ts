/** What the metrics are computed from: a matrix with one image per row. */

export interface Features {
  /** Row-major `[count, size]`. */
  data: Float32Array | Float64Array;
  /** Number of images. */
  count: number;
  /** Number of features (or classes) of one image. */
  size: number;
}

/**
 * @param name what errors call the matrix
 * @param minimum the fewest rows that make sense
 * @throws when the sizes do not fit the data, there are too few rows, or a value is NaN or infinite.
 */
export function checkFeatures(features: Features, name: string, minimum: number): void {
  const { data, count, size } = features;
  if (!Number.isInteger(size) || size < 1 || !Number.isInteger(count) || data.length !== count * size) {
    throw new Error(`The ${name} are [${count}, ${size}], but there are ${data.length} values`);
  }
  if (count < minimum) throw new Error(`The ${name} have ${count} rows, expected at least ${minimum}`);
  for (let i = 0; i < data.length; i++) {
    if (!Number.isFinite(data[i])) {
      throw new Error(`The ${name} hold ${data[i]} in row ${Math.floor(i / size)}, column ${i % size}`);
    }
  }
}

/**
 * @throws when two matrices differ in their number of columns.
 */
export function checkSameSize(a: Features, nameA: string, b: Features, nameB: string): void {
  if (a.size !== b.size) {
    throw new Error(`The ${nameA} have ${a.size} columns and the ${nameB} ${b.size}: they must be equal`);
  }
}
