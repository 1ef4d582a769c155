/** Resizing of images [n,h,w,c] and its gradients. */
import type { Value } from "../graph.ts";
import { type Attributes, cast, type Kernel, type KernelTable } from "./kernel.ts";
import { matMul } from "./matmul.ts";
import { take } from "./shape.ts";
import { type Size, toNCHW, toNHWC } from "./window.ts";

/** Where each position of the resized axis lies in the original one. */
function sourcePositions(from: number, to: number, { alignCorners, halfPixelCenters }: Attributes): number[] {
  const ratio = alignCorners && to > 1 ? (from - 1) / (to - 1) : from / to;
  return Array.from({ length: to }, (_, i) => (halfPixelCenters ? ratio * (i + 0.5) : ratio * i));
}

const clamp = (i: number, size: number): number => Math.max(0, Math.min(size - 1, i));

function nearestSources(from: number, to: number, attributes: Attributes): Int32Array {
  const nearest = attributes.alignCorners ? Math.round : Math.floor;
  return Int32Array.from(sourcePositions(from, to, attributes), (at) => clamp(nearest(at), from));
}

/** [to, from] weights of bilinear or nearest resizing of one axis. */
function resizeMatrix(
  mode: "linear" | "nearest",
  from: number,
  to: number,
  attributes: Attributes,
): Float32Array {
  const weights = new Float32Array(to * from);
  const nearest = nearestSources(from, to, attributes);
  for (const [i, position] of sourcePositions(from, to, attributes).entries()) {
    if (mode === "nearest") {
      weights[i * from + nearest[i]] = 1;
      continue;
    }
    const at = attributes.halfPixelCenters ? position - 0.5 : position;
    const below = Math.max(0, Math.floor(at));
    weights[i * from + below] += 1 - (at - below);
    weights[i * from + clamp(Math.ceil(at), from)] += at - below;
  }
  return weights;
}

/** Both axes of an image [n,h,w,c] by nearest neighbours: picked, which is exact. */
const resizeNearest: Kernel = (graph, { images }, attributes) =>
  (attributes.size as Size).reduce(
    (x, to, i) => take(graph, x, nearestSources(x.shape[i + 1], to, attributes), i + 1),
    images,
  );

const resizeBilinear: Kernel = (graph, { images }, attributes) => {
  const { size, alignCorners, halfPixelCenters } = attributes;
  const [n, , , c] = images.shape;
  const shape = [n, c, ...(size as Size)];
  const empty = graph.constant(new Float32Array(0), [0], "float32");
  const transform = alignCorners ? "align_corners" : halfPixelCenters ? "half_pixel" : "asymmetric";
  const operands = [toNCHW(graph, cast(graph, images, "float32")), empty, empty, graph.ints(shape)];
  const output = { shape, dtype: "float32" as const };
  const resized = graph.emit("Resize", operands, output, {
    mode: "linear",
    coordinate_transformation_mode: transform,
  });
  return toNHWC(graph, resized);
};

/** The transpose of resizing, as one matrix product an axis. Unlike tfjs's own it also holds for half-pixel centres and oblong images. */
const resizeGradient =
  (mode: "linear" | "nearest"): Kernel =>
  (graph, { dy, images }, attributes) => {
    const [, height, width] = images.shape;
    const [, h, w] = dy.shape;
    const matrix = (from: number, to: number): Value =>
      graph.constant(resizeMatrix(mode, from, to, attributes), [to, from], "float32");
    const rows = matMul(graph, toNCHW(graph, dy), matrix(width, w)); // [n,c,h,width]
    const columns = matMul(graph, graph.transpose(rows, [0, 1, 3, 2]), matrix(height, h)); // [n,c,width,height]
    return graph.transpose(columns, [0, 3, 2, 1]);
  };

export const resizing: KernelTable = {
  ResizeBilinear: resizeBilinear,
  ResizeNearestNeighbor: resizeNearest,
  ResizeBilinearGrad: resizeGradient("linear"),
  ResizeNearestNeighborGrad: resizeGradient("nearest"),
};
