/** Programs that together use every kernel the tracer knows, with the inputs to run them on. */
import { type Tensor, type Tensor1D, type Tensor2D, type Tensor4D, tf } from "../../lib/tensor/tf.ts";

export interface Case {
  name: string;
  /** Shapes of the float inputs; every set is one check. */
  shapes: number[][][];
  run: (...inputs: Tensor[]) => Tensor | Tensor[];
  /** Where the inputs lie. Default -2 to 2. */
  range?: [number, number];
  /** Compare gradients too. Default true. */
  gradient?: boolean;
  tolerance?: number;
}

const PAIRS = [
  [[], []],
  [[3], [3]],
  [[2, 3], [3]],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [1, 5, 1],
    [2, 5, 3],
  ],
];
const SINGLES = [[[]], [[5]], [[2, 3]], [[1, 4, 3, 2]]];
const unary = (name: string, run: Case["run"], change: Partial<Case> = {}): Case => ({
  name,
  shapes: SINGLES,
  run,
  ...change,
});
const binary = (name: string, run: Case["run"], change: Partial<Case> = {}): Case => ({
  name,
  shapes: PAIRS,
  run,
  ...change,
});
const ints = (x: Tensor): Tensor => tf.cast(tf.round(tf.mul(x, 4)), "int32");
const positive: Partial<Case> = { range: [0.3, 3] };
const noGradient: Partial<Case> = { gradient: false };

const elementwise: Case[] = [
  binary("add", (a, b) => tf.add(a, b)),
  binary("sub", (a, b) => tf.sub(a, b)),
  binary("mul", (a, b) => tf.mul(a, b)),
  unary("mul by one", (a) => tf.mul(tf.mul(a, 1), tf.mul(1, a))),
  binary("div", (a, b) => tf.div(a, b), positive),
  binary("maximum", (a, b) => tf.maximum(a, b), noGradient),
  binary("minimum", (a, b) => tf.minimum(a, b), noGradient),
  binary("pow", (a, b) => tf.pow(a, b), positive),
  binary("mod", (a, b) => tf.mod(a, tf.add(tf.mul(tf.sign(b), 0.5), b)), noGradient),
  binary("floorDiv", (a, b) => tf.floorDiv(a, tf.add(tf.sign(b), b)), noGradient),
  binary("squaredDifference", (a, b) => tf.squaredDifference(a, b), noGradient),
  // tfjs's gradients of these three do not sum over broadcast axes.
  {
    name: "gradients of maximum, minimum, squaredDifference",
    shapes: [
      [
        [2, 3],
        [2, 3],
      ],
    ],
    run: (a, b) => [tf.maximum(a, b), tf.minimum(a, b), tf.squaredDifference(a, b)],
  },
  binary("atan2", (a, b) => tf.atan2(a, b)),
  {
    name: "addN",
    shapes: [
      [
        [2, 3],
        [2, 3],
        [2, 3],
      ],
    ],
    run: (...xs) => tf.addN(xs),
  },
  binary(
    "int arithmetic",
    (a, b) => {
      const [x, y] = [ints(a), tf.add(tf.mul(ints(b), 2), tf.scalar(1, "int32"))];
      return [
        tf.add(x, y),
        tf.mul(x, y),
        tf.floorDiv(x, y),
        tf.mod(x, y),
        tf.maximum(x, y),
        tf.neg(tf.abs(x)),
        tf.sign(x),
      ];
    },
    noGradient,
  ),
  binary(
    "int division",
    (a, b) => tf.div(ints(a), tf.add(tf.mul(ints(b), 2), tf.scalar(1, "int32"))),
    noGradient,
  ),
  binary(
    "comparisons",
    (a, b) => {
      const [x, y] = [ints(a), ints(b)];
      return [
        tf.greater(a, b),
        tf.less(x, y),
        tf.greaterEqual(x, y),
        tf.lessEqual(a, b),
        tf.equal(x, y),
        tf.notEqual(x, y),
      ];
    },
    noGradient,
  ),
  binary(
    "logic",
    (a, b) => {
      const [x, y] = [tf.greater(a, 0), tf.greater(b, 0)];
      return [tf.logicalAnd(x, y), tf.logicalOr(x, y), tf.logicalNot(x), tf.logicalXor(x, y)];
    },
    noGradient,
  ),
  binary("where", (a, b) => tf.where(tf.greater(a.clone(), b), tf.mul(a, 2), tf.mul(b, 3)), noGradient),
  ...(
    [
      "abs",
      "neg",
      "square",
      "sin",
      "cos",
      "tanh",
      "sigmoid",
      "softplus",
      "erf",
      "relu",
      "relu6",
      "elu",
      "selu",
      "exp",
      "expm1",
      "asinh",
      "atan",
      "sinh",
      "cosh",
    ] as const
  ).map((name) => unary(name, (x) => tf[name](x))),
  ...(["sqrt", "rsqrt", "log", "log1p", "reciprocal"] as const).map((name) =>
    unary(name, (x) => tf[name](x), positive),
  ),
  ...(["asin", "acos", "atanh", "tan"] as const).map((name) =>
    unary(name, (x) => tf[name](x), { range: [-0.9, 0.9] }),
  ),
  unary("acosh", (x) => tf.acosh(x), { range: [1.2, 3] }),
  ...(["sign", "ceil", "floor", "round"] as const).map((name) => unary(name, (x) => tf[name](x), noGradient)),
  unary(
    "round halves to even",
    (x) => tf.round(tf.add(tf.mul(tf.round(x), 0), tf.tensor1d([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]))),
    {
      shapes: [[[6]]],
      gradient: false,
    },
  ),
  unary("expm1 and log1p near zero", (x) => [tf.expm1(x), tf.log1p(x)], { range: [-1e-4, 1e-4] }),
  unary("leakyRelu", (x) => tf.leakyRelu(x, 0.1)),
  {
    name: "prelu",
    shapes: [
      [[2, 3], [3]],
      [[4], [4]],
    ],
    run: (x, a) => tf.prelu(x, a),
  },
  unary("step", (x) => tf.step(x, 0.3), noGradient),
  unary("clipByValue", (x) => tf.clipByValue(x, -1, 0.5)),
  unary(
    "not finite",
    (x) => {
      const y = tf.div(tf.sub(x, x), tf.mul(tf.step(x), 1));
      const z = tf.div(x, tf.sub(x, x));
      return [tf.isNaN(y), tf.isInf(z), tf.isFinite(z), tf.isFinite(x)];
    },
    noGradient,
  ),
  unary(
    "casts",
    (x) => [
      ints(x),
      tf.cast(tf.greater(x, 0), "float32"),
      tf.cast(tf.round(x), "bool"),
      tf.cast(tf.cast(x, "int32"), "float32"),
    ],
    noGradient,
  ),
  unary(
    "likes",
    (x) => [tf.add(x, tf.onesLike(x)), tf.add(ints(x), tf.zerosLike(ints(x))), tf.clone(x)],
    noGradient,
  ),
];

const MATRICES = [[[3, 4]], [[2, 3, 4]], [[2, 1, 3, 5]]];
const reductions: Case[] = [
  ...(["sum", "mean", "max", "min", "prod"] as const).flatMap((name) => [
    { name: `${name} of all`, shapes: SINGLES, run: (x: Tensor) => tf[name](x), gradient: name !== "prod" },
    {
      name: `${name} of an axis`,
      shapes: MATRICES,
      run: (x: Tensor) => [tf[name](x, -1), tf[name](x, 0, true), tf[name](x, [0, 1])],
      gradient: name !== "prod",
    },
  ]),
  {
    name: "int and bool sums",
    shapes: MATRICES,
    run: (x) => [tf.sum(ints(x), 0), tf.sum(tf.greater(x, 0), -1), tf.max(ints(x))],
    gradient: false,
  },
  {
    name: "all and any",
    shapes: MATRICES,
    run: (x) => [tf.all(tf.greater(x, -1), 0), tf.any(tf.greater(x, 1.5), -1, true)],
    gradient: false,
  },
  {
    name: "argMax and argMin",
    shapes: MATRICES,
    run: (x) => [tf.argMax(x, -1), tf.argMin(x, 0)],
    gradient: false,
  },
  {
    name: "cumsum",
    shapes: MATRICES,
    run: (x) => [tf.cumsum(x, 0, true), tf.cumsum(x, 1, false, true)],
    // tfjs gives the gradient along an inner axis the shape of its transpose.
    gradient: false,
  },
  { name: "cumprod", shapes: MATRICES, run: (x) => tf.cumprod(x, 1, true), gradient: false },
  { name: "softmax", shapes: MATRICES, run: (x) => tf.softmax(x) },
  { name: "logSoftmax", shapes: MATRICES, run: (x) => tf.logSoftmax(x) },
  {
    name: "logSumExp and moments",
    shapes: MATRICES,
    run: (x) => [tf.logSumExp(x, -1), tf.moments(x, [0]).variance],
  },
  {
    name: "topk",
    shapes: MATRICES,
    run: (x) => {
      const { values, indices } = tf.topk(x, 2);
      return [values, indices];
    },
    gradient: false,
  },
  {
    name: "unsortedSegmentSum",
    shapes: [[[4, 3]], [[4]], [[4, 2, 2]]],
    run: (x) => tf.unsortedSegmentSum(x, tf.tensor1d([0, 2, 0, 1], "int32"), 4),
  },
];

const shapes: Case[] = [
  {
    name: "reshape, expandDims, squeeze",
    shapes: [[[2, 3, 4]]],
    run: (x) => [tf.reshape(x, [4, -1]), tf.expandDims(x, -1), tf.squeeze(tf.expandDims(x, 1))],
  },
  {
    name: "transpose",
    shapes: [[[2, 3, 4]]],
    run: (x) => [
      tf.transpose(x),
      tf.transpose(x, [1, 0, 2]),
      tf.transpose(tf.transpose(x, [2, 0, 1]), [1, 2, 0]),
    ],
  },
  {
    name: "slice",
    shapes: [[[4, 3, 5]]],
    run: (x) => [tf.slice(x, [1, 0, 2], [2, -1, 3]), tf.slice(x, [1, 0, 0], [2, 3, 5])],
  },
  {
    name: "stridedSlice",
    shapes: [[[5, 4]]],
    run: (x) => [
      tf.stridedSlice(x, [4, 0], [0, 4], [-2, 3]),
      tf.stridedSlice(x, [1, 0], [3, 2], [1, 1], 0, 0, 0, 0, 1),
    ],
    gradient: false,
  },
  {
    name: "concat, split",
    shapes: [
      [
        [2, 4],
        [2, 2],
      ],
    ],
    run: (a, b) => [tf.concat([a, b], 1), ...tf.split(a, 2, -1), ...tf.split(a, [1, 3], 1)],
  },
  {
    name: "stack, unstack",
    shapes: [
      [
        [2, 3],
        [2, 3],
      ],
    ],
    run: (a, b) => [tf.stack([a, b], 1), ...tf.unstack(a, 1)],
  },
  {
    name: "pad",
    shapes: [[[2, 3]]],
    run: (x) =>
      tf.pad(
        x,
        [
          [1, 0],
          [2, 1],
        ],
        0.5,
      ),
  },
  {
    name: "mirrorPad",
    shapes: [[[3, 4]]],
    run: (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 2],
          [2, 1],
        ],
        "reflect",
      ),
    gradient: false,
  },
  {
    name: "tile, broadcastTo",
    shapes: [[[1, 3]]],
    run: (x) => [tf.tile(x, [2, 1]), tf.tile(x, [2, 2]), tf.broadcastTo(x, [4, 3])],
  },
  { name: "reverse", shapes: [[[2, 3, 4]]], run: (x) => [tf.reverse(x, [0, -1]), tf.reverse(x)] },
  {
    name: "gather",
    shapes: [[[5, 3]]],
    run: (x) => [
      tf.gather(x, tf.tensor1d([4, 0, 0], "int32")),
      tf.gather(x, tf.tensor2d([[2], [1]], [2, 1], "int32"), 1),
    ],
  },
  {
    name: "gatherND, scatterND",
    shapes: [[[3, 4]]],
    run: (x) => [
      tf.gatherND(
        x,
        tf.tensor2d(
          [
            [0, 1],
            [2, 3],
          ],
          [2, 2],
          "int32",
        ),
      ),
      tf.scatterND(tf.tensor2d([[1], [4], [1]], [3, 1], "int32"), x, [5, 4]),
    ],
    gradient: false,
  },
  { name: "oneHot", shapes: [[[4]]], run: (x) => tf.oneHot(tf.abs(ints(x)), 9, 2, -1), gradient: false },
  {
    name: "fill, range, linspace",
    shapes: [[[5]]],
    run: (x) => [
      tf.add(x, tf.fill([2, 5], 3)),
      tf.add(x, tf.range(0, 5)),
      tf.mul(x, tf.linspace(0, 1, 5)),
      tf.add(x, tf.range(5, 0, -1)),
    ],
  },
];

const scatters: Case[] = [
  { name: "diag", shapes: [[[3]]], run: (x) => tf.diag(x), gradient: false },
  {
    name: "tensorScatterUpdate",
    shapes: [
      [
        [5, 3],
        [2, 3],
      ],
    ],
    run: (x, updates) => tf.tensorScatterUpdate(x, tf.tensor2d([[1], [4]], [2, 1], "int32"), updates),
    gradient: false,
  },
];

const products: Case[] = [
  {
    name: "einsum",
    shapes: [
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
    ],
    run: (a, b) => [tf.einsum("bij,bjk->bik", a, b), tf.einsum("bij->ji", a), tf.einsum("bij,bjk->ik", a, b)],
    gradient: false,
  },
  {
    name: "matMul",
    shapes: [
      [
        [3, 4],
        [4, 2],
      ],
      [
        [2, 3, 4],
        [2, 4, 5],
      ],
      [
        [1, 1],
        [1, 1],
      ],
    ],
    run: (a, b) => tf.matMul(a, b),
  },
  {
    name: "matMul transposed",
    shapes: [
      [
        [4, 3],
        [2, 4],
      ],
      [
        [2, 4, 3],
        [2, 5, 4],
      ],
    ],
    run: (a, b) => tf.matMul(a, b, true, true),
  },
  {
    name: "matMul half transposed",
    shapes: [
      [
        [3, 4],
        [2, 4],
      ],
      [
        [2, 2, 3, 4],
        [2, 2, 5, 4],
      ],
    ],
    run: (a, b) => tf.matMul(a, b, false, true),
  },
  {
    name: "matMul with a shared matrix",
    shapes: [
      [
        [3, 2, 4],
        [1, 4, 5],
      ],
      [
        [3, 2, 4],
        [4, 5],
      ],
    ],
    run: (a, b) => tf.matMul(a, b),
    gradient: false,
  },
  ...(["linear", "relu", "relu6", "elu", "sigmoid"] as const).map(
    (activation): Case => ({
      name: `fused matMul, ${activation}`,
      shapes: [[[3, 4], [4, 2], [2]]],
      run: (a, b, bias) => tf.fused.matMul({ a: a as Tensor2D, b: b as Tensor2D, bias, activation }),
      gradient: activation === "linear" || activation === "relu",
    }),
  ),
  {
    name: "fused matMul, prelu",
    shapes: [[[3, 4], [4, 2], [2]]],
    run: (a, b, w) =>
      tf.fused.matMul({ a: a as Tensor2D, b: b as Tensor2D, activation: "prelu", preluActivationWeights: w }),
    gradient: false,
  },
  {
    name: "dot, outerProduct",
    shapes: [[[3], [3]]],
    run: (a, b) => [tf.dot(a, b), tf.outerProduct(a as Tensor1D, b as Tensor1D)],
  },
];

type Image = Tensor4D;
const image = (x: Tensor): Image => x as Image;
const convolutions: Case[] = [
  ...(
    [
      ["same", 1],
      ["same", 2],
      ["valid", 1],
      ["valid", 2],
      ["valid", 3],
      [1, 2],
    ] as const
  ).map(
    ([pad, stride]): Case => ({
      name: `conv2d ${pad}, stride ${stride}`,
      shapes: [
        [
          [2, 7, 6, 3],
          [3, 3, 3, 4],
        ],
        [
          [1, 5, 5, 1],
          [2, 3, 1, 2],
        ],
      ],
      run: (x, w) => tf.conv2d(image(x), w as Tensor4D, stride, pad),
    }),
  ),
  {
    name: "conv2d dilated",
    shapes: [
      [
        [1, 8, 8, 2],
        [3, 2, 2, 3],
      ],
    ],
    run: (x, w) => tf.conv2d(image(x), w as Tensor4D, 1, "valid", "NHWC", 2),
    gradient: false,
  },
  {
    name: "conv2dTranspose",
    shapes: [
      [
        [1, 3, 4, 2],
        [3, 3, 5, 2],
      ],
    ],
    run: (x, w) => tf.conv2dTranspose(image(x), w as Tensor4D, [1, 6, 8, 5], 2, "same"),
  },
  {
    name: "depthwiseConv2d",
    shapes: [
      [
        [2, 6, 5, 3],
        [3, 3, 3, 2],
      ],
    ],
    run: (x, w) => [
      tf.depthwiseConv2d(image(x), w as Tensor4D, 1, "same"),
      tf.depthwiseConv2d(image(x), w as Tensor4D, 2, "valid"),
    ],
  },
  {
    name: "fused conv2d",
    shapes: [[[1, 5, 5, 2], [3, 3, 2, 4], [4]]],
    run: (x, filter, bias) =>
      tf.fused.conv2d({
        x: image(x),
        filter: filter as Tensor4D,
        strides: 1,
        pad: "same",
        bias,
        activation: "relu",
      }),
  },
  {
    name: "fused depthwiseConv2d",
    shapes: [[[1, 5, 5, 2], [3, 3, 2, 1], [2]]],
    run: (x, filter, bias) =>
      tf.fused.depthwiseConv2d({
        x: image(x),
        filter: filter as Tensor4D,
        strides: 1,
        pad: "same",
        bias,
        activation: "relu6",
      }),
    gradient: false,
  },
  ...(
    [
      [2, 2, "valid"],
      [3, 2, "same"],
      [3, 1, "same"],
      [2, 3, "valid"],
    ] as const
  ).flatMap(([size, stride, pad]): Case[] => [
    {
      name: `maxPool ${size}/${stride} ${pad}`,
      shapes: [[[2, 6, 7, 2]]],
      run: (x) => tf.maxPool(image(x), size, stride, pad),
    },
    {
      name: `avgPool ${size}/${stride} ${pad}`,
      shapes: [[[2, 6, 7, 2]]],
      run: (x) => tf.avgPool(image(x), size, stride, pad),
      // tfjs's cpu gradient divides by the whole window where its forward pass leaves out the padding.
      gradient: pad === "valid",
    },
  ]),
  ...(
    [
      [false, false],
      [true, false],
      [false, true],
    ] as const
  ).flatMap(([corners, half]): Case[] => [
    {
      name: `resizeBilinear ${corners} ${half}`,
      // tfjs mixes up the sides of images that are not square in this gradient.
      shapes: [[[1, 4, 4, 2]]],
      run: (x) => tf.image.resizeBilinear(image(x), [7, 3], corners, half),
      // tfjs's own gradient ignores half-pixel centers.
      gradient: !half,
    },
    {
      name: `resizeNearest ${corners} ${half}`,
      shapes: [[[1, 4, 5, 2]]],
      run: (x) => tf.image.resizeNearestNeighbor(image(x), [8, 10], corners, half),
    },
  ]),
  {
    name: "batchNorm",
    shapes: [[[2, 3, 3, 2], [2], [2], [2], [2]]],
    run: (x, m, v, o, s) =>
      tf.batchNorm4d(image(x), m as Tensor1D, tf.square(v) as Tensor1D, o as Tensor1D, s as Tensor1D, 0.01),
    range: [0.5, 2],
  },
  {
    name: "batchNorm without offset and scale",
    shapes: [[[2, 3, 3, 2], [2], [2]]],
    run: (x, m, v) => tf.batchNorm4d(image(x), m as Tensor1D, tf.square(v) as Tensor1D),
    range: [0.5, 2],
    gradient: false,
  },
  {
    name: "depthToSpace, spaceToBatchND, batchToSpaceND",
    shapes: [[[1, 2, 4, 4]]],
    run: (x) => {
      const batches = tf.spaceToBatchND(
        x,
        [2, 2],
        [
          [0, 0],
          [1, 1],
        ],
      );
      return [
        tf.depthToSpace(image(x), 2),
        batches,
        tf.batchToSpaceND(
          batches,
          [2, 2],
          [
            [0, 0],
            [1, 1],
          ],
        ),
      ];
    },
    gradient: false,
  },
];

export const CASES: Case[] = [
  ...elementwise,
  ...reductions,
  ...shapes,
  ...scatters,
  ...products,
  ...convolutions,
];
