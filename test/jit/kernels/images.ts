/** Cases for convolutions, pooling, resizing and batch normalization. */
import fc from "fast-check";
import type { Tensor } from "../../../lib/tensor/index.ts";
import { type Tensor4D, tf } from "../../../lib/tensor/tf.ts";
import type { Case } from "./compare.ts";
import type { Cases } from "./elementwise.ts";
import { integers, operand, positive, sizeOf } from "./operands.ts";

type Explicit = [[number, number], [number, number], [number, number], [number, number]];
type Pad = "same" | "valid" | number | Explicit;

const images = fc
  .tuple(
    fc.constantFrom(1, 2),
    fc.integer({ min: 5, max: 8 }),
    fc.integer({ min: 5, max: 8 }),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([n, h, w, c]) => [n, h, w, c]);
const windows = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }));
const pads: fc.Arbitrary<Pad> = fc.oneof(
  fc.constantFrom<Pad>("same", "valid"),
  fc.constant<Pad>([
    [0, 0],
    [1, 0],
    [0, 2],
    [0, 0],
  ]),
);
const steps = fc.oneof(
  fc.record({ strides: windows, dilations: fc.constant<[number, number]>([1, 1]) }),
  fc.record({
    strides: fc.constant<[number, number]>([1, 1]),
    dilations: fc.constantFrom<[number, number]>([2, 1], [1, 2]),
  }),
);
const plain = ({ dilations }: { dilations: [number, number] }): boolean => dilations.every((d) => d === 1);
const four = (x: Tensor): Tensor4D => x as Tensor4D;

/** A convolution with random windows; tfjs has gradients for undilated ones alone. */
const convolution = (
  filterShape: (kernel: number[], channels: number, out: number) => number[],
  run: (
    x: Tensor4D,
    filter: Tensor4D,
    strides: [number, number],
    pad: Pad,
    dilations: [number, number],
  ) => Tensor,
): fc.Arbitrary<Case> =>
  fc
    .tuple(images, windows, steps, pads, fc.integer({ min: 1, max: 3 }))
    .map(([shape, kernel, step, pad, out]) => ({
      inputs: [operand(shape), operand(filterShape(kernel, shape[3], out), undefined, "float32", 2)],
      fn: (x, filter) => run(four(x), four(filter), step.strides, pad, step.dilations),
      ...(plain(step) ? {} : { wrt: [] }),
    }));
const dense = (kernel: number[], channels: number, out: number): number[] => [...kernel, channels, out];
const conv2d = convolution(dense, (x, filter, strides, pad, dilations) =>
  tf.conv2d(x, filter, strides, pad as "same", "NHWC", dilations),
);
const depthwise = convolution(dense, (x, filter, strides, pad, dilations) =>
  tf.depthwiseConv2d(x, filter, strides, pad as "same", "NHWC", dilations),
);

const activations = ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"] as const;
const fusedConvolution = (depth: boolean): Cases =>
  activations.flatMap((activation) => {
    const out = depth ? 6 : 4;
    const inputs = [
      operand([2, 5, 4, 3]),
      operand([3, 2, 3, depth ? 2 : 4], undefined, "float32", 2),
      operand([out], undefined, "float32", 3),
      operand([out], positive, "float32", 4),
    ];
    const fn = (x: Tensor, filter: Tensor, bias: Tensor, prelu: Tensor): Tensor =>
      (depth ? tf.fused.depthwiseConv2d : tf.fused.conv2d)({
        x: four(x),
        filter: four(filter),
        strides: [2, 1],
        pad: "same",
        bias,
        activation,
        preluActivationWeights: activation === "prelu" ? prelu : undefined,
        leakyreluAlpha: 0.3,
      });
    // tfjs differentiates fused operations with linear and relu activations.
    const cases: Case[] = [{ inputs, fn, wrt: [] }];
    if (activation === "relu" || activation === "linear")
      cases.push({ inputs: inputs.slice(0, 3), fn: (x, f, b) => fn(x, f, b, b) });
    return cases;
  });

/** The gradient of a function linear in its first input, from its values on the basis: exact, where tfjs's own is wrong. */
const linear =
  (fn: (...inputs: Tensor[]) => Tensor): Case["gradients"] =>
  ([x, ...rest], [dy]) => [
    tf.tidy(() => {
      const basis = Array.from({ length: x.size }, (_, i) => {
        const unit = new Float32Array(x.size);
        unit[i] = 1;
        return tf.sum(tf.mul(fn(tf.tensor(unit, x.shape), ...rest), dy));
      });
      return tf.reshape(tf.stack(basis), x.shape);
    }),
  ];

const rounded = (["floor", "round", "ceil"] as const).map((rounding): Case => {
  const fn = (x: Tensor, filter: Tensor): Tensor =>
    tf.conv2d(four(x), four(filter), [3, 2], 1, "NHWC", [1, 1], rounding);
  // tfjs's gradient forgets the rounding.
  return { inputs: [operand([1, 6, 5, 2]), operand([2, 3, 2, 3])], fn, wrt: [0], gradients: linear(fn) };
});

const pooling = (average: boolean): Cases => {
  const draw = (x: Tensor, size: [number, number], strides: [number, number], pad: Pad): Tensor =>
    (average ? tf.avgPool : tf.maxPool)(four(x), size, strides, pad as "same");
  return [
    fc
      .tuple(images, windows, windows, fc.constantFrom<Pad>("same", "valid"))
      .map(([shape, size, strides, pad]) => {
        const fn = (x: Tensor): Tensor => draw(x, size, strides, pad);
        // tfjs divides the gradient of an average at the edge by the whole window's size.
        return { inputs: [operand(shape)], fn, ...(average ? { gradients: linear(fn) } : {}) };
      }),
    // Ties: the first maximum takes the gradient.
    fc.tuple(images, windows, windows).map(([shape, size, strides]) => {
      const fn = (x: Tensor): Tensor => draw(x, size, strides, "same");
      return { inputs: [operand(shape, integers(1))], fn, ...(average ? { gradients: linear(fn) } : {}) };
    }),
    {
      inputs: [operand([1, 6, 5, 2])],
      fn: (x) => (average ? tf.avgPool : tf.maxPool)(four(x), 3, 2, 1, "floor"),
      wrt: [],
    },
    {
      inputs: [operand([1, 6, 6, 2])],
      fn: (x) => (average ? tf.avgPool : tf.maxPool)(four(x), 3, 2, 1, "ceil"),
      wrt: [],
    },
  ];
};

const resizing = (nearest: boolean): Cases => [
  fc
    .tuple(
      images,
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom("none", "corners", "half"),
    )
    .map(([shape, h, w, mode]) => {
      const fn = (x: Tensor): Tensor =>
        (nearest ? tf.image.resizeNearestNeighbor : tf.image.resizeBilinear)(
          four(x),
          [h, w],
          mode === "corners",
          mode === "half",
        );
      // tfjs's gradients know no half-pixel centres, and that of bilinear resizing swaps height and width.
      return {
        inputs: [operand(shape)],
        fn,
        ...(sizeOf(shape) < 100 ? { gradients: linear(fn) } : { wrt: [] }),
      };
    }),
  ...["none", "corners", "half"].flatMap((mode) =>
    [
      [5, 7],
      [2, 1],
    ].map(([h, w]): Case => {
      const fn = (x: Tensor): Tensor =>
        (nearest ? tf.image.resizeNearestNeighbor : tf.image.resizeBilinear)(
          four(x),
          [h, w],
          mode === "corners",
          mode === "half",
        );
      return { inputs: [operand([1, 4, 3, 2])], fn, gradients: linear(fn) };
    }),
  ),
  {
    inputs: [operand([1, 4, 4, 2])],
    fn: (x) => (nearest ? tf.image.resizeNearestNeighbor : tf.image.resizeBilinear)(four(x), [7, 7], true),
  },
  {
    inputs: [operand([1, 4, 3, 2], integers(), "int32")],
    fn: (x) => (nearest ? tf.image.resizeNearestNeighbor : tf.image.resizeBilinear)(four(x), [5, 5]),
    wrt: [],
  },
];

export const imageKernels: Record<string, Cases> = {
  Conv2D: [conv2d, ...rounded],
  Conv2DBackpropInput: [
    conv2d,
    fc.tuple(images, windows, windows).map(([[n, h, w, c], kernel, strides]) => ({
      inputs: [operand([n, h, w, c]), operand([...kernel, 2, c])],
      fn: (x, filter) =>
        tf.conv2dTranspose(four(x), four(filter), [n, h * strides[0], w * strides[1], 2], strides, "same"),
    })),
  ],
  Conv2DBackpropFilter: [conv2d],
  FusedConv2D: fusedConvolution(false),
  DepthwiseConv2dNative: [depthwise],
  DepthwiseConv2dNativeBackpropInput: [depthwise],
  DepthwiseConv2dNativeBackpropFilter: [depthwise],
  FusedDepthwiseConv2D: fusedConvolution(true),
  MaxPool: pooling(false),
  MaxPoolGrad: pooling(false),
  AvgPool: pooling(true),
  AvgPoolGrad: pooling(true),
  ResizeBilinear: resizing(false),
  ResizeBilinearGrad: resizing(false),
  ResizeNearestNeighbor: resizing(true),
  ResizeNearestNeighborGrad: resizing(true),
  FusedBatchNorm: [
    images.map((shape) => {
      const c = [shape[3]];
      return {
        inputs: [operand(shape), operand(c), operand(c, positive), operand(c), operand(c)],
        fn: (x, mean, variance, offset, scale) =>
          tf.batchNorm(x, mean as never, variance as never, offset as never, scale as never),
        tolerance: 3e-5, // sums over the batch in another order
      };
    }),
    {
      inputs: [operand([2, 3]), operand([3]), operand([3], positive)],
      fn: (x, mean, variance) => tf.batchNorm(x, mean as never, variance as never),
      wrt: [], // tfjs cannot differentiate it without scale
    },
  ],
};
