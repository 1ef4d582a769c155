/** Cases for kernels that pick and place entries, create arrays, or exchange space with batch and depth. */
import fc from "fast-check";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import type { Case } from "./compare.ts";
import type { Cases } from "./elementwise.ts";
import { axisOf, type Dtype, given, integers, type Operand, operand, shapes } from "./operands.ts";

const draws: Record<Dtype, Parameters<typeof operand>[1]> = {
  float32: (r) => Math.fround(r.normal()),
  int32: integers(),
  bool: (r) => r.integer(2),
};

const indices = (shape: number[], limit: number, seed = 3): Operand =>
  operand(shape, (r) => r.integer(limit), "int32", seed);
const asIndices = (x: Tensor): ReturnType<typeof tf.tensor1d> => x as ReturnType<typeof tf.tensor1d>;

const images = fc
  .tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 2, 3), fc.constantFrom(1, 3), fc.constantFrom(1, 2, 3))
  .map(([n, h, w, c]) => [n, h, w, c]);

export const indexing: Record<string, Cases> = {
  GatherV2: [
    fc.tuple(shapes(1, 4), shapes(0, 2)).chain(([s, k]) =>
      axisOf(s.length).map((axis) => ({
        inputs: [operand(s), indices(k, s.at(axis)!)],
        fn: (x, i) => tf.gather(x, asIndices(i), axis),
        // tfjs's gradient wants the axis counted from the front.
        wrt: axis < 0 ? [] : [0],
      })),
    ),
    fc.tuple(shapes(2, 4), shapes(0, 2)).chain(([s, k]) =>
      fc.integer({ min: 1, max: s.length - 1 }).chain((axis) =>
        fc.integer({ min: 1, max: Math.min(axis, 2) }).map((batchDims) => ({
          inputs: [operand(s), indices([...s.slice(0, batchDims), ...k], s[axis])],
          fn: (x, i) => tf.gather(x, asIndices(i), axis, batchDims),
          wrt: [],
        })),
      ),
    ),
    {
      inputs: [operand([3, 2], draws.bool, "bool"), given([2, 0, 2], [3], "int32")],
      fn: (x, i) => tf.gather(x, asIndices(i)),
    },
  ],
  GatherNd: [
    shapes(1, 4).chain((s) =>
      fc.tuple(fc.integer({ min: 1, max: s.length }), shapes(0, 2)).map(([depth, k]) => ({
        inputs: [operand(s), indices([...k, depth], Math.min(...s.slice(0, depth)))],
        fn: (x, i) => tf.gatherND(x, i),
        wrt: [],
      })),
    ),
  ],
  ScatterNd: [
    // Repeated indices add up.
    shapes(1, 3).map((s) => ({
      inputs: [indices([4, 1], s[0]), operand([4, ...s.slice(1)])],
      fn: (i, updates) => tf.scatterND(i, updates, s),
      wrt: [],
    })),
    {
      inputs: [given([1, 1, 0], [3, 1], "int32"), given([4, 5, 6], [3], "int32")],
      fn: (i, u) => tf.scatterND(i, u, [3]),
    },
  ],
  TensorScatterUpdate: [
    shapes(2, 3).map((s) => ({
      inputs: [operand(s), given([0, s[1] - 1], [1, 2], "int32"), operand([1, ...s.slice(2)])],
      fn: (x, i, updates) => tf.tensorScatterUpdate(x, i, updates),
      wrt: [],
    })),
  ],
  OneHot: [
    shapes(0, 3).map((s) => ({
      inputs: [operand(s, integers(4), "int32")], // also outside the range
      fn: (i) => [tf.oneHot(i, 3), tf.oneHot(i, 4, 0.9, 0.1, "float32"), tf.oneHot(i, 2, 1, 0, "bool")],
    })),
  ],
  Diag: [shapes(1, 2).map((s) => ({ inputs: [operand(s)], fn: (x) => tf.diag(x), wrt: [] }))],
  Fill: [
    { inputs: [operand([2, 3])], fn: (x) => tf.add(x, tf.fill([2, 3], 2.5)) },
    { inputs: [operand([2, 3], integers(), "int32")], fn: (x) => tf.add(x, tf.fill([3], 7, "int32")) },
    { inputs: [operand([2], draws.bool, "bool")], fn: (x) => tf.logicalOr(x, tf.fill([2], 1, "bool")) },
  ],
  Range: (
    [
      [0, 5, 1],
      [5, 0, 1],
      [1, 2, 0.1],
      [9, -3, -2.5],
    ] as const
  ).flatMap(([start, stop, step]) => [
    { inputs: [operand([])], fn: (x) => tf.add(x, tf.range(start, stop, step)) },
    {
      inputs: [operand([], integers(), "int32")],
      fn: (x) => tf.add(x, tf.range(Math.ceil(start), stop, Math.trunc(step) || 1, "int32")),
    },
  ]) as Case[],
  LinSpace: [
    { inputs: [operand([])], fn: (x) => tf.add(x, tf.linspace(-1, 2, 7)) },
    { inputs: [operand([])], fn: (x) => tf.add(x, tf.linspace(3, 3, 1)) },
  ],
  DepthToSpace: [
    fc.tuple(images, fc.constantFrom(2, 3)).map(([[n, h, w, c], block]) => ({
      inputs: [operand([n, h, w, c * block * block])],
      fn: (x) => tf.depthToSpace(x as Parameters<typeof tf.depthToSpace>[0], block),
      wrt: [],
    })),
  ],
  SpaceToBatchND: [
    fc.tuple(images, fc.constantFrom(2, 3), fc.constantFrom(1, 2)).map(([[n, h, w, c], b0, b1]) => ({
      inputs: [operand([n, h, w, c])],
      fn: (x) =>
        tf.spaceToBatchND(
          x,
          [b0, b1],
          [
            [b0 - 1, (b0 - ((h + b0 - 1) % b0)) % b0],
            [0, (b1 - (w % b1)) % b1],
          ],
        ),
    })),
  ],
  BatchToSpaceND: [
    fc.tuple(images, fc.constantFrom(2, 3), fc.constantFrom(1, 2)).map(([[n, h, w, c], b0, b1]) => ({
      inputs: [operand([n * b0 * b1, h, w, c])],
      fn: (x) =>
        tf.batchToSpaceND(
          x,
          [b0, b1],
          [
            [0, b0 * h > 1 ? 1 : 0],
            [0, 0],
          ],
        ),
    })),
  ],
};
