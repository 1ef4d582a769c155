/** Pillow's resize of 8-bit images, bit by bit: what the reference's crops are made with. */

/** RGB, 0 to 255, `[height, width, 3]`. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

export type PillowFilter = "box" | "bicubic";

/** Part of an image, in its pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

const filters: Record<PillowFilter, { support: number; weight: (x: number) => number }> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bicubic: { support: 2, weight: (x) => cubic(Math.abs(x)) },
};

/** Keys' cubic with a = -1/2. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/** Bits after the point of the weights: of 32, 8 are a pixel's and 2 for the overshoot. */
const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

interface Taps<Weights> {
  /** Where each output's window starts, and how many inputs it has. */
  starts: Int32Array;
  counts: Int32Array;
  /** `stride` weights per output. */
  weights: Weights;
  stride: number;
}

/** The windows of outputs `first` to `first + length` when `inSize` becomes `outSize`; weights add up to 1. */
function tapsOf(
  inSize: number,
  outSize: number,
  filter: PillowFilter,
  first = 0,
  length = outSize,
): Taps<Float64Array> {
  const { support: unit, weight } = filters[filter];
  const scale = inSize / outSize;
  const spread = Math.max(scale, 1);
  const support = unit * spread;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Float64Array(length * stride);
  for (let out = 0; out < length; out++) {
    const center = (first + out + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), inSize) - start;
    const real = Array.from({ length: count }, (_, i) => weight((i + start - center + 0.5) / spread));
    const sum = real.reduce((total, value) => total + value, 0);
    weights.set(sum === 0 ? real : real.map((value) => value / sum), out * stride);
    starts[out] = start;
    counts[out] = count;
  }
  return { starts, counts, weights, stride };
}

/** The same with weights as integers, for 8-bit pixels. */
function fixedTaps(...args: Parameters<typeof tapsOf>): Taps<Int32Array> {
  const { weights, ...rest } = tapsOf(...args);
  const scaled = weights.map((value) => value * (1 << PRECISION_BITS));
  return { ...rest, weights: Int32Array.from(scaled, (value) => value + (value < 0 ? -0.5 : 0.5)) };
}

/** Resamples the rows `top` to `top + rows`, each of `inWidth` pixels. */
function acrossRows(
  data: Uint8Array,
  top: number,
  rows: number,
  inWidth: number,
  taps: Taps<Int32Array>,
): Uint8Array {
  const { starts, counts, weights, stride } = taps;
  const result = new Uint8ClampedArray(rows * starts.length * 3);
  let to = 0;
  for (let row = top; row < top + rows; row++) {
    for (let out = 0; out < starts.length; out++) {
      let [red, green, blue] = [HALF, HALF, HALF];
      let from = (row * inWidth + starts[out]) * 3;
      const end = out * stride + counts[out];
      for (let i = out * stride; i < end; i++, from += 3) {
        const weight = weights[i];
        red += data[from] * weight;
        green += data[from + 1] * weight;
        blue += data[from + 2] * weight;
      }
      result[to++] = red >> PRECISION_BITS;
      result[to++] = green >> PRECISION_BITS;
      result[to++] = blue >> PRECISION_BITS;
    }
  }
  return new Uint8Array(result.buffer);
}

/** Resamples columns; `skipped` rows of the original come before the first of `data`, whose rows have `width` values. */
function downColumns(data: Uint8Array, skipped: number, width: number, taps: Taps<Int32Array>): Uint8Array {
  const { starts, counts, weights, stride } = taps;
  const result = new Uint8ClampedArray(starts.length * width);
  const sums = new Int32Array(width);
  for (let out = 0; out < starts.length; out++) {
    sums.fill(HALF);
    let from = (starts[out] - skipped) * width;
    for (let i = 0; i < counts[out]; i++, from += width) {
      const weight = weights[out * stride + i];
      for (let x = 0; x < width; x++) sums[x] += data[from + x] * weight;
    }
    for (let x = 0; x < width; x++) result[out * width + x] = sums[x] >> PRECISION_BITS;
  }
  return new Uint8Array(result.buffer);
}

/** A part of an image. */
function cut(image: Pixels, { left, top, width, height }: Box): Pixels {
  const data = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    const start = ((top + row) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + width * 3), row * width * 3);
  }
  return { data, width, height };
}

/**
 * Resizes as Pillow's `Image.resize` does with 8-bit channels: across rows, then down columns, each with the filter
 * widened by the scale, weights of 22 bits and rounding to 8 bits in between.
 * @param width, height of the result in pixels, at least 1
 * @param box the part of the result to compute; all of it by default
 * @throws when a size is not a positive integer, the box leaves the result, or the pixels do not fit their size.
 */
export function pillowResize(
  image: Pixels,
  width: number,
  height: number,
  filter: PillowFilter,
  box: Box = { left: 0, top: 0, width, height },
): Pixels {
  for (const size of [width, height, image.width, image.height, box.width, box.height]) {
    if (!Number.isInteger(size) || size < 1)
      throw new RangeError(`An image's size must be an integer of at least 1, got ${size}`);
  }
  if (box.left < 0 || box.top < 0 || box.left + box.width > width || box.top + box.height > height)
    throw new RangeError(`The box ${JSON.stringify(box)} leaves an image of ${width} x ${height}`);
  if (image.data.length !== image.width * image.height * 3) {
    throw new Error(
      `Expected ${image.width * image.height * 3} values for ${image.width} x ${image.height} RGB pixels, got ${image.data.length}`,
    );
  }
  // Pillow leaves out a pass that would change nothing.
  const [wide, high] = [width !== image.width, height !== image.height];
  if (!wide && !high) return cut(image, box);
  if (!high) {
    const taps = fixedTaps(image.width, width, filter, box.left, box.width);
    return { ...box, data: acrossRows(image.data, box.top, box.height, image.width, taps) };
  }
  const down = fixedTaps(image.height, height, filter, box.top, box.height);
  const last = box.height - 1;
  const [first, end] = [down.starts[0], down.starts[last] + down.counts[last]];
  const rows = wide
    ? acrossRows(
        image.data,
        first,
        end - first,
        image.width,
        fixedTaps(image.width, width, filter, box.left, box.width),
      )
    : cut(image, { left: box.left, top: first, width: box.width, height: end - first }).data;
  return { width: box.width, height: box.height, data: downColumns(rows, first, box.width * 3, down) };
}

/**
 * Resizes as Pillow does with images of 32-bit floats (mode F), channel by channel: no rounding to 8 bits, and values
 * that go beyond 0 and 255 stay. What clean-fid resizes with.
 * @returns `[height, width, 3]`
 */
export function pillowResizeFloat(
  image: Pixels,
  width: number,
  height: number,
  filter: PillowFilter,
): Float32Array {
  const across = tapsOf(image.width, width, filter);
  const down = tapsOf(image.height, height, filter);
  const rows =
    width === image.width
      ? Float32Array.from(image.data)
      : resampleFloat(image.data, image.height, image.width, 3, across);
  return height === image.height ? rows : resampleFloat(rows, 1, image.height, width * 3, down);
}

/** Resamples the middle axis of `[outer, size, inner]`. */
function resampleFloat(
  data: Uint8Array | Float32Array,
  outer: number,
  size: number,
  inner: number,
  { starts, counts, weights, stride }: Taps<Float64Array>,
): Float32Array {
  const result = new Float32Array(outer * starts.length * inner);
  const sums = new Float64Array(inner);
  for (let block = 0; block < outer; block++) {
    for (let out = 0; out < starts.length; out++) {
      sums.fill(0);
      let from = (block * size + starts[out]) * inner;
      for (let i = 0; i < counts[out]; i++, from += inner) {
        const weight = weights[out * stride + i];
        for (let x = 0; x < inner; x++) sums[x] += data[from + x] * weight;
      }
      result.set(sums, (block * starts.length + out) * inner);
    }
  }
  return result;
}
