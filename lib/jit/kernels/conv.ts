/** Convolution, pooling, resizing and batch normalization. tfjs arrays are NHWC here, ONNX's are NCHW: transposes between neighbours cancel. */
import { tf } from "../../tensor/tf.ts";
import type { Graph, Value } from "../graph.ts";
import { binary } from "./elementwise.ts";
import { type Attributes, cast, type Kernel, type KernelTable, slice } from "./kernel.ts";
import { applyActivation } from "./matmul.ts";
import { pad } from "./shape.ts";

const toNCHW = (graph: Graph, x: Value): Value => graph.transpose(x, [0, 3, 1, 2]);
const toNHWC = (graph: Graph, x: Value): Value => graph.transpose(x, [0, 2, 3, 1]);

type Pad = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;
type Size = [number, number];

interface Window {
  kernel: Size;
  strides: Size;
  dilations: Size;
  /** top, bottom, left, right */
  padding: [number, number, number, number];
  output: [number, number, number, number];
}

function requireNHWC(attributes: Attributes): void {
  const format = attributes.dataFormat ?? "NHWC";
  if (format !== "NHWC") throw new Error(`jit: dataFormat '${format}' is not supported; expected 'NHWC'`);
}

function convWindow(x: number[], filter: number[], attributes: Attributes, depthwise = false): Window {
  requireNHWC(attributes);
  const info = tf.backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    attributes.strides as Size,
    (attributes.dilations ?? 1) as Size,
    attributes.pad as Pad,
    attributes.dimRoundingMode as Rounding,
    depthwise,
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    padding: [top, bottom, left, right],
    output: info.outShape,
  };
}

const onnxPads = ([top, bottom, left, right]: Window["padding"]): number[] => [top, left, bottom, right];

/** x [N,C,H,W] with weights [O, C/group, h, w]. */
function convolve(graph: Graph, x: Value, weights: Value, window: Window, group = 1): Value {
  const [n, h, w] = window.output;
  const attributes = {
    kernel_shape: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    pads: onnxPads(window.padding),
    group,
  };
  return graph.emit(
    "Conv",
    [x, weights],
    { shape: [n, weights.shape[0], h, w], dtype: "float32" },
    attributes,
  );
}

/** filter [h,w,in,out] -> [out,in,h,w] */
const denseWeights = (graph: Graph, filter: Value): Value => graph.transpose(filter, [3, 2, 0, 1]);
/** filter [h,w,in,multiplier] -> [in*multiplier,1,h,w] */
const depthwiseWeights = (graph: Graph, filter: Value): Value => {
  const [h, w, channels, multiplier] = filter.shape;
  return graph.reshape(graph.transpose(filter, [2, 3, 0, 1]), [channels * multiplier, 1, h, w]);
};

const convolution =
  (depthwise: boolean): Kernel =>
  (graph, { x, filter, bias, preluActivationWeights }, attributes) => {
    const window = convWindow(x.shape, filter.shape, attributes, depthwise);
    const weights = depthwise ? depthwiseWeights(graph, filter) : denseWeights(graph, filter);
    const group = depthwise ? filter.shape[2] : 1;
    const y = toNHWC(graph, convolve(graph, toNCHW(graph, x), weights, window, group));
    const sum = bias ? binary(graph, "Add", y, bias) : y;
    return applyActivation(graph, sum, attributes, preluActivationWeights);
  };

/** The transpose of a strided convolution: dy [N,O,h,w] -> [N,C,H,W] with the forward pass's weights. */
function convolveTransposed(
  graph: Graph,
  dy: Value,
  weights: Value,
  window: Window,
  inputShape: number[],
  group = 1,
): Value {
  const [n, height, width, channels] = inputShape;
  const [top, bottom, left, right] = window.padding;
  // Rows that no window reached at the end of the input get a zero gradient: ONNX calls them output_padding.
  const reach = (i: 0 | 1): number =>
    (window.output[i + 1] - 1) * window.strides[i] + (window.kernel[i] - 1) * window.dilations[i] + 1;
  const missing = [height + top + bottom - reach(0), width + left + right - reach(1)];
  const attributes = {
    kernel_shape: window.kernel,
    strides: window.strides,
    dilations: window.dilations,
    pads: [0, 0, 0, 0],
    output_padding: [0, 0],
    group,
  };
  const full = { shape: [n, channels, reach(0), reach(1)], dtype: "float32" as const };
  const padded = graph.emit("ConvTranspose", [dy, weights], full, attributes);
  const extended = pad(
    graph,
    padded,
    [
      [0, 0],
      [0, 0],
      [0, Math.max(0, missing[0])],
      [0, Math.max(0, missing[1])],
    ],
    0,
  );
  return slice(graph, extended, [0, 0, top, left], [n, channels, height, width]);
}

function poolWindow(x: number[], { filterSize, strides, pad: padding, dimRoundingMode }: Attributes): Window {
  const info = tf.backend_util.computePool2DInfo(
    x as [number, number, number, number],
    filterSize as Size,
    strides as Size,
    1,
    padding as Parameters<typeof tf.backend_util.computePool2DInfo>[4],
    dimRoundingMode as Rounding,
  );
  const { top, bottom, left, right } = info.padInfo;
  return {
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [1, 1],
    padding: [top, bottom, left, right],
    output: info.outShape,
  };
}

const pooling =
  (op: "MaxPool" | "AveragePool"): Kernel =>
  (graph, { x }, attributes) => {
    const window = poolWindow(x.shape, attributes);
    const [n, h, w, c] = window.output;
    const pooled = graph.emit(
      op,
      [toNCHW(graph, x)],
      { shape: [n, c, h, w], dtype: "float32" },
      { kernel_shape: window.kernel, strides: window.strides, pads: onnxPads(window.padding) },
    );
    return toNHWC(graph, pooled);
  };

/** How many real (not padded) elements each average was taken over: tfjs, like ONNX by default, does not count padding. */
function windowCounts(graph: Graph, [, height, width]: number[], window: Window): Value {
  const [, h, w] = window.output;
  const span = (i: number, stride: number, before: number, kernel: number, size: number): number =>
    Math.min(i * stride - before + kernel, size) - Math.max(i * stride - before, 0);
  const counts = Float32Array.from({ length: h * w }, (_, i) => {
    const rows = span(Math.floor(i / w), window.strides[0], window.padding[0], window.kernel[0], height);
    return rows * span(i % w, window.strides[1], window.padding[2], window.kernel[1], width);
  });
  return graph.constant(counts, [1, 1, h, w], "float32");
}

/** Spreads dy [N,C,h,w] over every position of its window; `weigh` scales it at each of the kernel's offsets. */
function spread(
  graph: Graph,
  dy: Value,
  window: Window,
  inputShape: number[],
  weigh: (r: number, c: number) => Value,
): Value {
  const [n, height, width, channels] = inputShape;
  const [kh, kw] = window.kernel;
  const slots: Value[] = [];
  for (let r = 0; r < kh; r++) for (let c = 0; c < kw; c++) slots.push(weigh(r, c));
  // [N, C*kh*kw, h, w], channel-major, scattered by a transposed convolution whose kernels each hold a single one.
  const [, , h, w] = dy.shape;
  const wide = slots.map((slot) => graph.reshape(slot, [n, channels, 1, h, w]));
  const joined = graph.emit(
    "Concat",
    wide,
    { shape: [n, channels, kh * kw, h, w], dtype: "float32" },
    { axis: 2 },
  );
  const unit = new Float32Array(channels * kh * kw * kh * kw);
  for (let i = 0; i < channels * kh * kw; i++) unit[i * kh * kw + (i % (kh * kw))] = 1;
  const weights = graph.constant(unit, [channels * kh * kw, 1, kh, kw], "float32");
  const flat = graph.reshape(joined, [n, channels * kh * kw, h, w]);
  return convolveTransposed(graph, flat, weights, window, [n, height, width, channels], channels);
}

const resize =
  (mode: "linear" | "nearest"): Kernel =>
  (graph, { images }, { size, alignCorners, halfPixelCenters }) => {
    const [n, , , c] = images.shape;
    const shape = [n, c, ...(size as Size)];
    const transform = alignCorners ? "align_corners" : halfPixelCenters ? "half_pixel" : "asymmetric";
    const nearest = alignCorners ? "round_prefer_ceil" : "floor";
    const empty = graph.constant(new Float32Array(0), [0], "float32");
    const resized = graph.emit(
      "Resize",
      [toNCHW(graph, cast(graph, images, "float32")), empty, empty, graph.ints(shape)],
      { shape, dtype: "float32" },
      {
        mode,
        coordinate_transformation_mode:
          mode === "nearest" && halfPixelCenters ? "tf_half_pixel_for_nn" : transform,
        nearest_mode: nearest,
      },
    );
    return toNHWC(graph, resized);
  };

export const convolutions: KernelTable = {
  Conv2D: convolution(false),
  FusedConv2D: convolution(false),
  DepthwiseConv2dNative: convolution(true),
  FusedDepthwiseConv2D: convolution(true),
  Conv2DBackpropInput: (graph, { dy, filter }, attributes) => {
    const inputShape = attributes.inputShape as number[];
    const window = convWindow(inputShape, filter.shape, attributes);
    return toNHWC(
      graph,
      convolveTransposed(graph, toNCHW(graph, dy), denseWeights(graph, filter), window, inputShape),
    );
  },
  Conv2DBackpropFilter: (graph, { x, dy }, attributes) => {
    // A convolution of the input with the output's gradient: batch and channel change places, stride and dilation too.
    const filterShape = attributes.filterShape as number[];
    const window = convWindow(x.shape, filterShape, attributes);
    const [top, , left] = [window.padding[0], 0, window.padding[2]];
    const [, oh, ow] = window.output;
    const [kh, kw, inChannels, outChannels] = filterShape;
    const extent = (i: 0 | 1, o: number, k: number): number =>
      (o - 1) * window.strides[i] + (k - 1) * window.dilations[i] + 1;
    const bottom = extent(0, oh, kh) - x.shape[1] - top;
    const right = extent(1, ow, kw) - x.shape[2] - left;
    const crop = slice(
      graph,
      x,
      [0, 0, 0, 0],
      [x.shape[0], x.shape[1] + Math.min(0, bottom), x.shape[2] + Math.min(0, right), x.shape[3]],
    );
    const gradient = convolve(graph, graph.transpose(crop, [3, 0, 1, 2]), graph.transpose(dy, [3, 0, 1, 2]), {
      kernel: [oh, ow],
      strides: window.dilations,
      dilations: window.strides,
      padding: [top, Math.max(0, bottom), left, Math.max(0, right)],
      output: [inChannels, kh, kw, outChannels],
    });
    return graph.transpose(gradient, [2, 3, 0, 1]);
  },
  MaxPool: pooling("MaxPool"),
  AvgPool: pooling("AveragePool"),
  AvgPoolGrad: (graph, { dy, input }, attributes) => {
    const window = poolWindow(input.shape, attributes);
    const share = binary(graph, "Div", toNCHW(graph, dy), windowCounts(graph, input.shape, window));
    return toNHWC(
      graph,
      spread(graph, share, window, input.shape, () => share),
    );
  },
  MaxPoolGrad: (graph, { dy, input, output }, attributes) => {
    // Each window's gradient goes to its first maximum in row order.
    const window = poolWindow(input.shape, attributes);
    const [top, bottom, left, right] = window.padding;
    const [n, oh, ow, channels] = window.output;
    const lowest = -3.4e38;
    const x = pad(
      graph,
      toNCHW(graph, input),
      [
        [0, 0],
        [0, 0],
        [top, bottom],
        [left, right],
      ],
      lowest,
    );
    const y = toNCHW(graph, output);
    const gradient = toNCHW(graph, dy);
    const bool = { shape: y.shape, dtype: "bool" as const };
    let taken: Value | undefined;
    const result = spread(graph, gradient, window, input.shape, (r, c) => {
      const at = slice(graph, x, [0, 0, r, c], [n, channels, oh, ow], [1, 1, ...window.strides]);
      const equal = graph.emit("Equal", [at, y], bool);
      const first: Value = taken ? graph.emit("And", [equal, graph.emit("Not", [taken], bool)], bool) : equal;
      taken = taken ? graph.emit("Or", [taken, equal], bool) : equal;
      return graph.emit("Where", [first, gradient, graph.scalar(0)], { shape: y.shape, dtype: "float32" });
    });
    return toNHWC(graph, result);
  },
  ResizeBilinear: resize("linear"),
  ResizeNearestNeighbor: resize("nearest"),
  FusedBatchNorm: (graph, { x, mean, variance, offset, scale }, { varianceEpsilon }) => {
    const spreadOut = binary(graph, "Add", variance, graph.scalar(varianceEpsilon as number));
    const deviation = graph.emit("Sqrt", [spreadOut], { shape: variance.shape, dtype: "float32" });
    const gain = scale
      ? binary(graph, "Div", scale, deviation)
      : graph.emit("Reciprocal", [deviation], deviation);
    const scaled = binary(graph, "Mul", binary(graph, "Sub", x, mean), gain);
    return offset ? binary(graph, "Add", scaled, offset) : scaled;
  },
};
