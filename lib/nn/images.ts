/**
 * Layers of convolutional networks on images [B,C,H,W]. tfjs's convolutions want the channels last, ONNX's first: in a
 * compiled graph the transposes here and those of the kernels cancel, so that nothing is moved.
 */
import { type Params, param } from "../tensor/params.ts";
import { type Tensor, type Tensor1D, type Tensor4D, tf } from "../tensor/tf.ts";

/** Zeros around an image: top, bottom, left, right. */
export type Padding = readonly [number, number, number, number];

export interface Conv2dOptions {
  /** Distance of neighbouring windows. Default: 1. */
  stride?: number;
  /** Zeros around the image: on all sides, or [top, bottom, left, right]. Default: 0. */
  padding?: number | Padding;
}

function convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: number, padding: Padding): Tensor {
  const [top, bottom, left, right] = padding;
  const y = tf.fused.conv2d({
    x: tf.transpose(x, [0, 2, 3, 1]) as Tensor4D,
    filter: tf.transpose(weight, [2, 3, 1, 0]) as Tensor4D,
    strides: stride,
    pad: [
      [0, 0],
      [top, bottom],
      [left, right],
      [0, 0],
    ],
    bias: bias as Tensor1D,
    activation: "linear",
  });
  return tf.transpose(y, [0, 3, 1, 2]);
}

/** The weight and bias of a convolution that fits x [B,C,H,W]. */
function convolutionOf(params: Params, name: string, x: Tensor): { weight: Tensor; bias: Tensor } {
  const weight = param(params, `${name}.weight`);
  if (x.rank !== 4 || x.shape[1] !== weight.shape[1])
    throw new Error(`${name} takes [batch,${weight.shape[1]},height,width], got [${x.shape}]`);
  return { weight, bias: param(params, `${name}.bias`) };
}

/**
 * Convolution with bias: x [B,in,H,W] -> [B,out,h,w], with `weight` [out,in,kh,kw] and `bias` [out] below `name`, as
 * PyTorch's. Throws where a parameter is missing or the channels do not fit.
 */
export function conv2d(
  params: Params,
  name: string,
  x: Tensor,
  { stride = 1, padding = 0 }: Conv2dOptions = {},
): Tensor {
  const { weight, bias } = convolutionOf(params, name, x);
  return convolve(
    x,
    weight,
    bias,
    stride,
    typeof padding === "number" ? [padding, padding, padding, padding] : padding,
  );
}

export interface PoolOptions {
  /** Side of a window. Default: 3. */
  size?: number;
  /** Distance of neighbouring windows. Default: 1. */
  stride?: number;
  /** Empty pixels around the image, which do not count. Default: 0. */
  padding?: number;
}

const pool2d =
  (pool: "maxPool" | "avgPool") =>
  (x: Tensor, { size = 3, stride = 1, padding = 0 }: PoolOptions = {}): Tensor =>
    tf.transpose(
      tf[pool](tf.transpose(x, [0, 2, 3, 1]) as Tensor4D, size, stride, padding) as Tensor,
      [0, 3, 1, 2],
    );

/** The largest value of each window: x [B,C,H,W] -> [B,C,h,w]. */
export const maxPool2d = pool2d("maxPool");

/** The mean of each window, over the pixels within the image: x [B,C,H,W] -> [B,C,h,w]. */
export const avgPool2d = pool2d("avgPool");

/**
 * Which of the three taps of an axis fall on the same pixel of the image that is not yet doubled, for its even and odd
 * positions: [parity][pixel of two][tap].
 */
const SHARED_TAPS = [
  [
    [1, 0, 0],
    [0, 1, 1],
  ],
  [
    [1, 1, 0],
    [0, 0, 1],
  ],
] as const;

const BITS = [0, 1] as const;

/** Taps 3x3 to the 2x2 ones of the four parities of row and column: [9, 4 * 4]. */
const phaseMatrix = (): Float32Array => {
  const matrix = new Float32Array(9 * 16);
  for (let tap = 0; tap < 9; tap++) {
    for (let column = 0; column < 16; column++) {
      const [odd, oddColumn, row, pixel] = [3, 2, 1, 0].map((bit) => BITS[(column >> bit) & 1]);
      matrix[tap * 16 + column] =
        SHARED_TAPS[odd][row][Math.floor(tap / 3)] * SHARED_TAPS[oddColumn][pixel][tap % 3];
    }
  }
  return matrix;
};

/**
 * The image doubled in height and width by nearest neighbours, then a 3x3 convolution with padding 1:
 * x [B,in,H,W] -> [B,out,2H,2W].
 *
 * Of the nine taps at a position of the doubled image only four fall on different pixels, by the parity of its row and
 * column: four convolutions of 2x2 with summed weights, interleaved, are the same in 4/9 of the multiplications, and
 * the doubled image is never made. Parameters as of `conv2d`; throws where they are missing or do not fit.
 */
export function upsampleConv2d(params: Params, name: string, x: Tensor): Tensor {
  const { weight, bias } = convolutionOf(params, name, x);
  const [out, channels, kernelHeight, kernelWidth] = weight.shape;
  if (kernelHeight !== 3 || kernelWidth !== 3)
    throw new Error(`${name} needs a kernel of 3x3, got ${kernelHeight}x${kernelWidth}`);
  const [batch, , height, width] = x.shape;
  const taps = tf.reshape(weight, [out * channels, 9]);
  const phases = tf.split(tf.matMul(taps, tf.tensor2d(phaseMatrix(), [9, 16])), 4, 1);
  const parts = phases.map((phase, i) => {
    const [row, column] = [i >> 1, i & 1];
    const filter = tf.reshape(phase, [out, channels, 2, 2]);
    return convolve(x, filter, bias, 1, [1 - row, row, 1 - column, column]);
  });
  // Columns first, then whole rows: in one step every number would be moved by itself.
  const columns = tf.reshape(tf.concat(parts, 1), [batch * 2, 2, out * height * width]);
  const rows = tf.reshape(tf.transpose(columns, [0, 2, 1]), [batch, 2, out * height, 2 * width]);
  return tf.reshape(tf.transpose(rows, [0, 2, 1, 3]), [batch, out, 2 * height, 2 * width]);
}
