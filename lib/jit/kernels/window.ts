/** Sliding windows over images. tfjs arrays are NHWC, ONNX's are NCHW: transposes between neighbours cancel. */
import { tf } from "../../tensor/tf.ts";
import type { Graph, Value } from "../graph.ts";
import { type Attributes, slice } from "./kernel.ts";
import { pad } from "./shape.ts";

export const toNCHW = (graph: Graph, x: Value): Value => graph.transpose(x, [0, 3, 1, 2]);
export const toNHWC = (graph: Graph, x: Value): Value => graph.transpose(x, [0, 2, 3, 1]);

type Pad = Parameters<typeof tf.backend_util.computeConv2DInfo>[4];
type Rounding = "floor" | "round" | "ceil" | undefined;
export type Size = [number, number];

export interface Window {
  kernel: Size;
  strides: Size;
  dilations: Size;
  /** top, bottom, left, right */
  padding: [number, number, number, number];
  /** n, h, w, c */
  output: number[];
}

function requireNHWC(attributes: Attributes): void {
  const format = attributes.dataFormat ?? "NHWC";
  if (format !== "NHWC") throw new Error(`jit: dataFormat '${format}' is not supported; expected 'NHWC'`);
}

type Axis = "Height" | "Width";
type Info = Record<`${"in" | "out" | "filter" | "stride" | "dilation"}${Axis}`, number> & {
  padInfo: { top: number; bottom: number; left: number; right: number };
  outShape: Window["output"];
};

function windowOf(info: Info): Window {
  const { top, bottom, left, right } = info.padInfo;
  /** Padding grows where the number of outputs was rounded up and the last window passes the end. */
  const behind = (axis: Axis, before: number, after: number): number => {
    const reach =
      (info[`out${axis}`] - 1) * info[`stride${axis}`] +
      (info[`filter${axis}`] - 1) * info[`dilation${axis}`] +
      1;
    return Math.max(after, reach - info[`in${axis}`] - before);
  };
  return {
    kernel: [info.filterHeight, info.filterWidth],
    strides: [info.strideHeight, info.strideWidth],
    dilations: [info.dilationHeight, info.dilationWidth],
    padding: [top, behind("Height", top, bottom), left, behind("Width", left, right)],
    output: info.outShape,
  };
}

export function convWindow(x: number[], filter: number[], attributes: Attributes, depthwise = false): Window {
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
  return windowOf(info);
}

export function poolWindow(
  x: number[],
  { filterSize, strides, pad: padding, dimRoundingMode }: Attributes,
): Window {
  const info = tf.backend_util.computePool2DInfo(
    x as [number, number, number, number],
    filterSize as Size,
    strides as Size,
    1,
    padding as Parameters<typeof tf.backend_util.computePool2DInfo>[4],
    dimRoundingMode as Rounding,
  );
  return windowOf(info);
}

export const onnxPads = ([top, bottom, left, right]: Window["padding"]): number[] => [
  top,
  left,
  bottom,
  right,
];

/** x [N,C,H,W] with weights [O, C/group, h, w]. */
export function convolve(
  graph: Graph,
  x: Value,
  weights: Value,
  window: Window,
  group = 1,
  bias?: Value,
): Value {
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
    bias ? [x, weights, bias] : [x, weights],
    { shape: [n, weights.shape[0], h, w], dtype: "float32" },
    attributes,
  );
}

/** The transpose of a strided convolution: dy [N,O,h,w] -> [N,C,H,W] with the forward pass's weights. */
export function convolveTransposed(
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

/**
 * The input and padding of a forward pass. Where tfjs counts fewer windows than fit (it measures both axes by the
 * filter's height when the padding is one number), what is behind the last one is cut off, or ONNX would count it.
 */
export function windowInput(
  graph: Graph,
  x: Value,
  window: Window,
): { cropped: Value; padding: Window["padding"] } {
  const exact = windowExtent(graph, x, window);
  const left = [1, 2].map(
    (axis) =>
      x.shape[axis] + window.padding[2 * axis - 1] - exact.cropped.shape[axis] - exact.padding[2 * axis - 1],
  );
  const fits = left.every((n, i) => n < window.strides[i]);
  return fits ? { cropped: x, padding: window.padding } : exact;
}

/** x without the rows and columns behind the last window, and the padding that completes it. */
export function windowExtent(
  graph: Graph,
  x: Value,
  window: Window,
): { cropped: Value; padding: Window["padding"] } {
  const [top, , left] = window.padding;
  const [, oh, ow] = window.output;
  const reach = (i: 0 | 1, o: number): number =>
    (o - 1) * window.strides[i] + (window.kernel[i] - 1) * window.dilations[i] + 1;
  const bottom = reach(0, oh) - x.shape[1] - top;
  const right = reach(1, ow) - x.shape[2] - left;
  const size = [x.shape[0], x.shape[1] + Math.min(0, bottom), x.shape[2] + Math.min(0, right), x.shape[3]];
  return {
    cropped: slice(graph, x, [0, 0, 0, 0], size),
    padding: [top, Math.max(0, bottom), left, Math.max(0, right)],
  };
}
