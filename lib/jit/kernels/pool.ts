/** Pooling and its gradients. */
import type { Graph, Value } from "../graph.ts";
import { binary } from "./elementwise.ts";
import { cast, type Kernel, type KernelTable, slice } from "./kernel.ts";
import { pad } from "./shape.ts";
import {
  convolveTransposed,
  onnxPads,
  poolWindow,
  toNCHW,
  toNHWC,
  type Window,
  windowInput,
} from "./window.ts";

/** A window with NaN gives one number or another: tfjs passes NaN over, onnxruntime sees it in some places. */
const pooling =
  (op: "MaxPool" | "AveragePool"): Kernel =>
  (graph, { x: given }, attributes) => {
    // Integers of 32 bits are exact in float64, for which onnxruntime has a largest of a window.
    const x = given.dtype === "float32" ? given : cast(graph, given, "float64");
    const window = poolWindow(x.shape, attributes);
    const [n, h, w, c] = window.output;
    const { cropped, padding } = windowInput(graph, x, window);
    const pooled = graph.emit(
      op,
      [toNCHW(graph, cropped)],
      { shape: [n, c, h, w], dtype: x.dtype },
      { kernel_shape: window.kernel, strides: window.strides, pads: onnxPads(padding) },
    );
    return cast(graph, toNHWC(graph, pooled), given.dtype);
  };

/**
 * How many real (not padded) elements each average was taken over: tfjs, like ONNX by default, does not count padding.
 * (The gradient of tfjs's cpu backend divides by the whole window's size, which is wrong at padded edges.)
 */
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

export const pools: KernelTable = {
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
};
