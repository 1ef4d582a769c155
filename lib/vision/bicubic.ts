/** Bicubic resizing of numbers as PyTorch's `interpolate` does it, which is not what image libraries do. */

/** The cubic of Keys (1981) with slope `a` at 1. */
function cubic(x: number, a: number): number {
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  if (d < 2) return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return 0;
}

/** What an output number is made of: weights of some neighbouring inputs, the first of which is number `from`. */
interface Taps {
  readonly from: number;
  readonly weights: readonly number[];
}

/** The four nearest inputs, those beyond the edge taken for the edge's own: PyTorch's default, whose a is -0.75. */
function plainTaps(i: number, scale: number, size: number): Taps {
  const at = (i + 0.5) * scale - 0.5;
  const first = Math.floor(at) - 1;
  const from = Math.min(Math.max(first, 0), size - 1);
  const weights: number[] = [];
  for (let k = first; k < first + 4; k++) {
    const place = Math.min(Math.max(k, 0), size - 1) - from;
    weights[place] = (weights[place] ?? 0) + cubic(at - k, -0.75);
  }
  return { from, weights };
}

/** Inputs as far as the widened cubic reaches, whose weights add up to 1: with antialiasing, whose a is -0.5 as Pillow's. */
function smoothTaps(i: number, scale: number, size: number): Taps {
  const widened = Math.max(scale, 1);
  const center = (i + 0.5) * scale;
  const from = Math.max(Math.floor(center - 2 * widened + 0.5), 0);
  const end = Math.min(Math.floor(center + 2 * widened + 0.5), size);
  const raw = Array.from({ length: end - from }, (_, k) => cubic((from + k - center + 0.5) / widened, -0.5));
  const sum = raw.reduce((a, b) => a + b, 0);
  return { from, weights: raw.map((weight) => weight / sum) };
}

function resizedRows(
  values: Float64Array,
  rows: number,
  size: number,
  to: number,
  antialias: boolean,
): Float64Array {
  const taps = Array.from({ length: to }, (_, i) => (antialias ? smoothTaps : plainTaps)(i, size / to, size));
  const result = new Float64Array(rows * to);
  for (let row = 0; row < rows; row++)
    for (const [i, { from, weights }] of taps.entries()) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * values[row * size + from + k];
      result[row * to + i] = sum;
    }
  return result;
}

/** Planes [planes,height,width] with the last two axes exchanged. */
function turned(values: Float64Array, planes: number, height: number, width: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let plane = 0; plane < planes; plane++)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++)
        result[(plane * width + x) * height + y] = values[(plane * height + y) * width + x];
  return result;
}

/**
 * Planes [planes,height,width] at another size: `interpolate(x, size, mode="bicubic")`, with `antialias` as its option of
 * that name.
 */
export function bicubic(
  values: ArrayLike<number>,
  [planes, height, width]: readonly [planes: number, height: number, width: number],
  [toHeight, toWidth]: readonly [height: number, width: number],
  { antialias = false } = {},
): Float32Array<ArrayBuffer> {
  const across = resizedRows(Float64Array.from(values), planes * height, width, toWidth, antialias);
  const standing = turned(across, planes, height, toWidth);
  const down = resizedRows(standing, planes * toWidth, height, toHeight, antialias);
  return Float32Array.from(turned(down, planes, toWidth, toHeight));
}
