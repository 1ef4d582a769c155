/**
 * The kernels that a program of smooth functions does not reach: those that tfjs does not differentiate, and those on
 * images, indices and the like. Each maps any tensor of moderate numbers to one of moderate numbers.
 */
import { featureDistance } from "../../lib/align/index.ts";
import { multiHeadAttention, scaledDotProductAttention } from "../../lib/nn/attention.ts";
import { inOrder, modulatedLayerNorm, sumOfSquares } from "../../lib/nn/fused.ts";
import { gelu, remat, silu } from "../../lib/nn/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import type { Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "../../lib/tensor/tf.ts";

type Apply = (x: Tensor, y: Tensor, n: number) => Tensor;

/** Without a gradient: for kernels for which tfjs has none, or a wrong one. */
const still =
  (fn: (x: Tensor, n: number) => Tensor): Apply =>
  (x, _, n) =>
    tf.customGrad((x) => ({
      value: tf.cast(fn(x as Tensor, n), "float32"),
      gradFunc: () => tf.zerosLike(x as Tensor),
    }))(x);

/** The numbers of x, repeated or cut to a shape. */
function shaped<T extends Tensor>(x: Tensor, shape: number[]): T {
  const size = shape.reduce((product, d) => product * d, 1);
  const flat = tf.reshape(tf.tanh(x), [-1]);
  const repeated = tf.concat(Array.from({ length: Math.ceil(size / x.size) }, () => flat));
  return tf.reshape(tf.slice(repeated, 0, size), shape) as T;
}

/** Numbers that do not depend on the program, for filters and the like. */
const fixed = <T extends Tensor>(shape: number[], phase = 0): T =>
  tf.sin(
    tf.add(
      tf.reshape(
        tf.range(
          0,
          shape.reduce((product, d) => product * d, 1),
        ),
        shape,
      ),
      phase,
    ),
  ) as T;

/** Of this size, whatever x is: [2,H,W,C]. */
const image = (x: Tensor, channels = 2): Tensor4D => shaped(x, [2, 4, 4, channels]);
/** Far from where a rounding jumps: within 0.3 of an integer, the same for each place. */
const nearInteger = (x: Tensor): Tensor => tf.add(tf.mul(tf.sin(x), 0.3), places(x));
/** An integer from -2 to 2 for each place. */
const places = (x: Tensor): Tensor => tf.sub(tf.mod(tf.reshape(tf.range(0, x.size), x.shape), 5), 2);
/** Well apart, so that rounding does not change their order. */
const apart = (x: Tensor): Tensor1D => {
  const flat = tf.reshape(x, [-1]);
  return tf.add(tf.mul(tf.tanh(flat), 0.2), tf.reverse(tf.range(0, x.size))) as Tensor1D;
};
const numbers = (x: Tensor): Tensor => tf.cast(x, "float32");
const vector = (x: Tensor, size: number): Tensor1D => shaped(x, [size]);
const indices = (values: number[]): Tensor1D => tf.tensor1d(values, "int32");

const compare = (fn: (x: Tensor, y: Tensor) => Tensor): Apply =>
  still((x, n) => fn(nearInteger(x), tf.add(tf.scalar((n % 5) - 2), 0.5)));

/** What tfjs differentiates. */
const smooth: Record<string, Apply> = {
  maximum: (x) => tf.maximum(x, tf.cos(x)),
  minimum: (x) => tf.minimum(x, tf.cos(x)),
  squaredDifference: (x) => tf.squaredDifference(tf.tanh(x), tf.sin(x)),
  addN: (x) => tf.tanh(tf.addN([x, tf.sin(x), tf.cos(x)])),
  tan: (x) => tf.tan(tf.sin(x)),
  asin: (x) => tf.asin(tf.mul(tf.sin(x), 0.9)),
  acos: (x) => tf.acos(tf.mul(tf.sin(x), 0.9)),
  acosh: (x) => tf.acosh(tf.add(tf.sin(x), 2.5)),
  atanh: (x) => tf.atanh(tf.mul(tf.sin(x), 0.9)),
  erf: (x) => tf.erf(x),
  relu6: (x) => tf.relu6(tf.mul(x, 3)),
  prelu: (x) => tf.prelu(x, tf.fill(x.shape, 0.2)),
  floorDiv: (x) => tf.mul(x, tf.floorDiv(tf.scalar(7.5), tf.scalar(2))),
  mirrorPad: (x) =>
    tf.mirrorPad(
      shaped(x, [3, 4]),
      [
        [1, 0],
        [2, 1],
      ],
      "reflect",
    ),
  broadcastTo: (x) => tf.broadcastTo(shaped(x, [1, 4]), [3, 4]),
  oneHot: (x) =>
    tf.matMul(tf.cast(tf.oneHot(indices([2, 0]), 3), "float32") as Tensor2D, shaped<Tensor2D>(x, [3, 4])),
  linspace: (x) => tf.mul(vector(x, 5), tf.linspace(-1, 1, 5)),
  onesLike: (x) => tf.add(x, tf.mul(tf.onesLike(x), 0.1)),
  conv2d: (x, _, n) =>
    tf.tanh(tf.conv2d(image(x), fixed<Tensor4D>([3, 2, 2, 3]), [1, 2], n % 2 ? "same" : "valid")),
  conv2dFilter: (x) =>
    tf.tanh(tf.conv2d(fixed<Tensor4D>([1, 4, 5, 2]), shaped<Tensor4D>(x, [2, 2, 2, 3]), 1, "same")),
  depthwise: (x, y) => tf.tanh(tf.depthwiseConv2d(image(x), shaped<Tensor4D>(y, [2, 2, 2, 2]), 1, "same")),
  conv2dTranspose: (x) =>
    tf.tanh(tf.conv2dTranspose(image(x), fixed<Tensor4D>([2, 2, 3, 2]), [2, 8, 8, 3], 2, "same")),
  fusedConv2d: (x) =>
    tf.tanh(
      tf.fused.conv2d({
        x: image(x),
        filter: fixed<Tensor4D>([2, 2, 2, 3]),
        strides: 1,
        pad: "same",
        bias: fixed<Tensor1D>([3]),
        activation: "linear",
      }),
    ),
  fusedDepthwise: (x) =>
    tf.tanh(
      tf.fused.depthwiseConv2d({
        x: image(x),
        filter: fixed<Tensor4D>([2, 2, 2, 1]),
        strides: 1,
        pad: "same",
        bias: fixed<Tensor1D>([2]),
        activation: "linear",
      }),
    ),
  batchNorm: (x) =>
    tf.tanh(
      tf.batchNorm(
        image(x),
        fixed<Tensor1D>([2]),
        tf.tensor1d([0.7, 1.3]),
        fixed<Tensor1D>([2], 1),
        fixed<Tensor1D>([2], 2),
      ),
    ),
  maxPool: (x) =>
    tf.maxPool(
      shaped<Tensor4D>(x, [1, 4, 4, 2]).add(tf.mul(fixed([1, 4, 4, 2]), 3)) as Tensor4D,
      2,
      2,
      "valid",
    ),
  avgPool: (x) => tf.avgPool(image(x), 2, 2, "valid"),
  resizeBilinear: (x) => tf.image.resizeBilinear(image(x), [6, 6]),
  // One image: of several, tfjs's own gradient is wrong.
  resizeNearest: (x) => tf.image.resizeNearestNeighbor(shaped<Tensor4D>(x, [1, 4, 4, 2]), [8, 8]),
  spaceToBatch: (x) =>
    tf.spaceToBatchND(
      image(x),
      [2, 2],
      [
        [0, 0],
        [0, 0],
      ],
    ),
  batchToSpace: (x) =>
    tf.batchToSpaceND(
      shaped<Tensor4D>(x, [4, 2, 3, 2]),
      [2, 2],
      [
        [0, 1],
        [1, 0],
      ],
    ),
  fusedMatMul: (x, y) =>
    tf.tanh(
      tf.fused.matMul({
        a: shaped<Tensor3D>(x, [2, 3, 4]),
        b: shaped<Tensor3D>(y, [2, 5, 4]),
        transposeB: true,
        bias: fixed<Tensor1D>([5]),
        activation: "linear",
      }),
    ),
  gelu,
  silu,
  layerNorm: (x, y) =>
    tf.tanh(
      modulatedLayerNorm(
        tf.add(shaped(x, [2, 3, 6]), fixed([2, 3, 6])),
        shaped(y, [2, 1, 6]),
        shaped(y, [2, 1, 6]),
      ),
    ),
  attention: (x, y) =>
    scaledDotProductAttention(shaped(x, [2, 2, 3, 4]), shaped(y, [2, 2, 3, 4]), shaped(x, [2, 2, 3, 4])),
  heads: (x, y) => multiHeadAttention(shaped(x, [2, 3, 8]), shaped(y, [2, 3, 8]), shaped(x, [2, 3, 8]), 2),
  remat: (x, y) =>
    remat((x, y) => tf.tanh(tf.mul(tf.sin(x), tf.cos(y))), shaped(x, [3, 4]), shaped(y, [3, 4])),
  smoothL1: (x, y) =>
    featureDistance(shaped(x, [2, 3, 4]), shaped(y, [2, 3, 4]), { distance: "smooth-l1", beta: 0.3 }),
  cosineDistance: (x, y, n) =>
    featureDistance(tf.add(shaped(x, [2, 3, 4]), 2), tf.add(shaped(y, [2, 3, 4]), fixed([2, 3, 4])), {
      distance: "cosine",
      cosineAxis: n % 2 ? "token" : "feature",
    }),
};

/** What it does not, or has no slope. */
const stepped: Record<string, Apply> = {
  greater: compare(tf.greater),
  greaterEqual: compare(tf.greaterEqual),
  less: compare(tf.less),
  lessEqual: compare(tf.lessEqual),
  equal: still((x) => tf.equal(tf.round(nearInteger(x)), tf.scalar(1))),
  notEqual: still((x) => tf.notEqual(tf.round(nearInteger(x)), tf.scalar(0))),
  logicalAnd: still((x) => tf.logicalAnd(tf.greater(places(x), -1.5), tf.less(nearInteger(x), 1.5))),
  logicalOr: still((x) => tf.logicalOr(tf.greater(nearInteger(x), 1.5), tf.less(places(x), -0.5))),
  logicalNot: still((x) => tf.logicalNot(tf.greater(nearInteger(x), 0.5))),
  all: still((x) => tf.all(tf.greater(nearInteger(x), -1.5))),
  any: still((x) => tf.any(tf.greater(nearInteger(x), 1.5))),
  floor: still((x) => tf.floor(tf.add(nearInteger(x), 0.5))),
  ceil: still((x) => tf.ceil(tf.add(nearInteger(x), 0.5))),
  round: still((x) => tf.round(nearInteger(x))),
  sign: still((x) => tf.sign(tf.add(nearInteger(x), 0.5))),
  step: still((x) => tf.step(tf.add(nearInteger(x), 0.5), 0.2)),
  isNaN: still((x) => tf.isNaN(tf.log(tf.add(nearInteger(x), 0.5)))),
  isInf: still((x) => tf.isInf(tf.div(1, tf.round(nearInteger(x))))),
  isFinite: still((x) => tf.isFinite(tf.div(1, tf.round(nearInteger(x))))),
  argMax: still((x) => tf.div(numbers(tf.argMax(apart(x))), x.size)),
  argMin: still((x) => tf.div(numbers(tf.argMin(apart(x))), x.size)),
  topK: still((x) =>
    tf.mul(
      tf.div(tf.topk(apart(x), Math.min(3, x.size)).values, x.size),
      numbers(tf.topk(apart(x), Math.min(3, x.size)).indices),
    ),
  ),
  cumprod: still((x) => tf.cumprod(tf.add(tf.mul(vector(x, 6), 0.2), 1))),
  einsum: still((x) => tf.tanh(tf.einsum("ij,kj->ik", shaped(x, [3, 4]), fixed([2, 4])))),
  stridedSlice: still((x) => tf.stridedSlice(shaped(x, [4, 5]), [3, 0], [0, 5], [-1, 2])),
  gatherNd: still((x) =>
    tf.gatherND(
      shaped(x, [3, 4]),
      tf.tensor2d(
        [
          [2, 1],
          [0, 3],
        ],
        [2, 2],
        "int32",
      ),
    ),
  ),
  segmentSum: still((x) => tf.unsortedSegmentSum(shaped(x, [4, 3]), indices([2, 0, 2, 1]), 3)),
  scatterNd: still((x) => tf.scatterND(tf.tensor2d([[2], [0]], [2, 1], "int32"), shaped(x, [2, 3]), [4, 3])),
  scatterUpdate: still((x) =>
    tf.tensorScatterUpdate(
      fixed<Tensor2D>([4, 3]),
      tf.tensor2d([[2], [0]], [2, 1], "int32"),
      shaped<Tensor2D>(x, [2, 3]),
    ),
  ),
  diag: still((x) => tf.diag(vector(x, 3))),
  depthToSpace: still((x) => tf.depthToSpace(shaped<Tensor4D>(x, [1, 2, 3, 8]), 2, "NHWC")),
  sumOfSquares: still((x) => tf.tanh(sumOfSquares(x))),
  heads: still((x) => multiHeadAttention(shaped(x, [2, 3, 8]), fixed([2, 3, 8]), shaped(x, [2, 3, 8]), 4)),
  inOrder: still((x) => inOrder(x, [tf.sin(x), tf.cos(x)])),
};

export const MORE: Record<string, Apply> = {
  ...smooth,
  ...Object.fromEntries(Object.entries(stepped).map(([name, op]) => [`still ${name}`, op])),
};
