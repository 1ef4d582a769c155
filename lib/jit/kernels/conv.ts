/** Convolutions and batch normalization. */
import type { Graph, Value } from "../graph.ts";
import { asFloat, refuseBool, stored } from "./dtypes.ts";
import { binary } from "./elementwise.ts";
import type { Kernel, KernelTable } from "./kernel.ts";
import { applyActivation } from "./matmul.ts";
import {
  convolve,
  convolveTransposed,
  convWindow,
  toNCHW,
  toNHWC,
  windowExtent,
  windowInput,
} from "./window.ts";

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
    const { cropped, padding } = windowInput(graph, x, window);
    // Added by the convolution itself, a bias does not stand between the transposes of one layer and the next.
    const own = bias?.shape.length === 1 && bias.shape[0] === weights.shape[0] ? bias : undefined;
    const y = toNHWC(
      graph,
      convolve(graph, toNCHW(graph, cropped), weights, { ...window, padding }, group, own),
    );
    const sum = bias && !own ? binary(graph, "Add", y, bias) : y;
    return applyActivation(graph, sum, attributes, preluActivationWeights);
  };

/** dy [n,h,w,in*multiplier] and x as one grouped convolution that takes the batch for channels. */
const depthwiseFilterGradient: Kernel = (graph, { x, dy }, attributes) => {
  const filterShape = attributes.filterShape as number[];
  const window = { ...convWindow(x.shape, filterShape, attributes, true), output: dy.shape };
  const [kh, kw, channels, multiplier] = filterShape;
  const [n, oh, ow] = window.output;
  const { cropped, padding } = windowExtent(graph, x, window);
  const [, height, width] = cropped.shape;
  const images = graph.reshape(graph.transpose(cropped, [3, 0, 1, 2]), [1, channels * n, height, width]);
  const weights = graph.transpose(dy, [3, 0, 1, 2]);
  const gradient = convolve(
    graph,
    images,
    weights,
    {
      kernel: [oh, ow],
      strides: window.dilations,
      dilations: window.strides,
      padding,
      output: [1, kh, kw, channels * multiplier],
    },
    channels,
  );
  const apart = graph.reshape(gradient, [channels, multiplier, kh, kw]);
  return graph.transpose(apart, [2, 3, 0, 1]);
};

/** Computed in float32, and stored in the type of x. */
const throughType =
  (kernel: Kernel): Kernel =>
  (graph, inputs, attributes) => {
    if (inputs.x.dtype === "bool") refuseBool("batch normalization");
    return stored(graph, ofFloats(kernel)(graph, inputs, attributes) as Value, inputs.x.dtype);
  };

/** tfjs convolves in float32 whatever the operands are. */
const ofFloats =
  (kernel: Kernel): Kernel =>
  (graph, inputs, attributes) => {
    const floats = Object.entries(inputs).map(([name, value]) => [name, asFloat(graph, value)]);
    return kernel(graph, Object.fromEntries(floats), attributes);
  };

// The gradients take the output's size from dy: tfjs does not tell them how it was rounded.
const kernels: KernelTable = {
  Conv2D: convolution(false),
  FusedConv2D: convolution(false),
  DepthwiseConv2dNative: convolution(true),
  FusedDepthwiseConv2D: convolution(true),
  Conv2DBackpropInput: (graph, { dy, filter }, attributes) => {
    const inputShape = attributes.inputShape as number[];
    const window = { ...convWindow(inputShape, filter.shape, attributes), output: dy.shape };
    return toNHWC(
      graph,
      convolveTransposed(graph, toNCHW(graph, dy), denseWeights(graph, filter), window, inputShape),
    );
  },
  Conv2DBackpropFilter: (graph, { x, dy }, attributes) => {
    // A convolution of the input with the output's gradient: batch and channel change places, stride and dilation too.
    const filterShape = attributes.filterShape as number[];
    const window = { ...convWindow(x.shape, filterShape, attributes), output: dy.shape };
    const [, oh, ow] = window.output;
    const [kh, kw, inChannels, outChannels] = filterShape;
    const { cropped, padding } = windowExtent(graph, x, window);
    const swapped = graph.transpose(cropped, [3, 0, 1, 2]);
    const gradient = convolve(graph, swapped, graph.transpose(dy, [3, 0, 1, 2]), {
      kernel: [oh, ow],
      strides: window.dilations,
      dilations: window.strides,
      padding,
      output: [inChannels, kh, kw, outChannels],
    });
    return graph.transpose(gradient, [2, 3, 0, 1]);
  },
  DepthwiseConv2dNativeBackpropInput: (graph, { dy, filter }, attributes) => {
    const inputShape = attributes.inputShape as number[];
    const window = { ...convWindow(inputShape, filter.shape, attributes, true), output: dy.shape };
    const weights = depthwiseWeights(graph, filter);
    const gradient = convolveTransposed(graph, toNCHW(graph, dy), weights, window, inputShape, inputShape[3]);
    return toNHWC(graph, gradient);
  },
  DepthwiseConv2dNativeBackpropFilter: depthwiseFilterGradient,
};

export const convolutions: KernelTable = {
  ...Object.fromEntries(Object.entries(kernels).map(([name, kernel]) => [name, ofFloats(kernel)])),
  FusedBatchNorm: throughType((graph, { x, mean, variance, offset, scale }, { varianceEpsilon }) => {
    const spreadOut = binary(graph, "Add", variance, graph.scalar(varianceEpsilon as number));
    const deviation = graph.emit("Sqrt", [spreadOut], { shape: variance.shape, dtype: "float32" });
    const gain = scale
      ? binary(graph, "Div", scale, deviation)
      : graph.emit("Reciprocal", [deviation], deviation);
    const scaled = binary(graph, "Mul", binary(graph, "Sub", x, mean), gain);
    return offset ? binary(graph, "Add", scaled, offset) : scaled;
  }),
};
