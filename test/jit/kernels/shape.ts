/** Cases for kernels that move, cut, join and repeat arrays. */
import fc from "fast-check";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import type { Case } from "./compare.ts";
import type { Cases } from "./elementwise.ts";
import {
  axisOf,
  type Dtype,
  flags,
  integerOperands,
  integers,
  type Operand,
  operand,
  operands,
  shapes,
} from "./operands.ts";
import { hasKernel, runKernel } from "./run-kernel.ts";

/** The same function on float32, int32 and bool operands. */
const eachType = (
  choose: (x: Operand) => fc.Arbitrary<(x: Tensor) => Tensor | Tensor[]>,
  ranks: [number, number] = [0, 5],
): Cases =>
  [operands(shapes(...ranks)), integerOperands(shapes(...ranks)), flags(shapes(...ranks))].map((inputs) =>
    inputs.chain((x) => choose(x).map((fn) => ({ inputs: [x], fn: (t) => fn(t) }))),
  );
const draws: Record<Dtype, Parameters<typeof operand>[1]> = {
  float32: (r) => Math.fround(r.normal()),
  int32: integers(),
  bool: (r) => r.integer(2),
};

/** Operands that agree in all axes but one. */
const joinable = fc
  .tuple(shapes(1, 4), fc.constantFrom<Dtype>("float32", "int32", "bool"))
  .chain(([shape, dtype]) =>
    fc
      .tuple(axisOf(shape.length), fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }))
      .map(([axis, sizes]) => ({
        axis,
        parts: sizes.map((n, i) =>
          operand(
            shape.map((d, k) => (k === (axis + shape.length) % shape.length ? n : d)),
            draws[dtype],
            dtype,
            i,
          ),
        ),
      })),
  );

const paddings = (rank: number, most: (axis: number) => number): fc.Arbitrary<[number, number][]> =>
  fc.tuple(
    ...Array.from({ length: rank }, (_, i) => fc.tuple(fc.nat({ max: most(i) }), fc.nat({ max: most(i) }))),
  );

const strided = (inputs: Operand[], fn: (x: Tensor) => Tensor): Case => ({
  inputs,
  fn: (x) => fn(x),
  wrt: [],
}); // tfjs has no gradient

export const shape: Record<string, Cases> = {
  Reshape: eachType((x) =>
    fc
      .shuffledSubarray(x.shape, { minLength: x.shape.length })
      .map((s) => (t) => tf.reshape(t, s.length ? [-1, ...s.slice(1)] : s)),
  ),
  ExpandDims: eachType((x) =>
    fc
      .integer({ min: -x.shape.length - 1, max: x.shape.length })
      .map((axis) => (t) => tf.expandDims(t, axis)),
  ),
  Transpose: eachType((x) => {
    const axes = [...x.shape.keys()];
    return fc
      .tuple(
        fc.shuffledSubarray(axes, { minLength: axes.length }),
        fc.shuffledSubarray(axes, { minLength: axes.length }),
      )
      .map(
        ([first, second]) =>
          (t) =>
            tf.transpose(tf.transpose(t, first), second),
      ); // neighbours are merged
  }),
  Slice: [
    ...eachType(
      (x) =>
        fc.tuple(...x.shape.map((n) => fc.tuple(fc.nat({ max: n - 1 }), fc.boolean()))).map(
          (cuts) => (t) =>
            tf.slice(
              t,
              cuts.map(([b]) => b),
              cuts.map(([b, rest], i) => (rest ? -1 : Math.ceil((x.shape[i] - b) / 2))),
            ),
        ),
      [1, 5],
    ),
    ...[
      (x: Tensor) => tf.slice(x, 1),
      (x: Tensor) => tf.slice(x, [1]),
      (x: Tensor) => tf.slice(x, [1], [1]),
      (x: Tensor) => tf.slice(x, [0, 1], 2),
      (x: Tensor) => tf.slice(x, 1, -1),
    ].map((fn): Case => ({ inputs: [operand([3, 4, 2])], fn: (x) => fn(x) })),
  ],
  StridedSlice: [
    shapes(1, 4).chain((s) =>
      fc
        .tuple(
          ...s.map((n) => fc.tuple(fc.nat({ max: n - 1 }), fc.integer({ min: 1, max: 3 }), fc.boolean())),
        )
        .map((cuts) =>
          strided([operand(s)], (x) =>
            tf.stridedSlice(
              x,
              cuts.map(([b, , back], i) => (back ? s[i] - 1 : b)),
              cuts.map(([b, , back], i) => (back ? -s[i] - 1 + b : s[i])),
              cuts.map(([, step, back]) => (back ? -step : step)),
            ),
          ),
        ),
    ),
    strided([operand([3, 4, 5])], (x) => tf.stridedSlice(x, [1, 0], [2, -1], [1, 2], 0, 0, 2, 0, 1)), // ellipsis, shrink
    strided([operand([3, 4])], (x) => tf.stridedSlice(x, [0, 0, 1], [0, 3, 3], [1, 2, 1], 2, 4, 0, 1, 0)), // new axis, masks
    strided([operand([3, 4])], (x) => tf.stridedSlice(x, [1, -1], [2, 4], [1, 1], 0, 0, 0, 0, 3)), // a scalar
  ],
  Concat: [joinable.map(({ axis, parts }) => ({ inputs: parts, fn: (...x) => tf.concat(x, axis) }))],
  SplitV: [
    shapes(1, 5).chain((s) =>
      axisOf(s.length).map((axis) => ({
        inputs: [operand(s)],
        fn: (x) => tf.split(x, s.at(axis)!, axis),
        ...(s.at(axis) === 1 ? { wrt: [] } : {}),
      })),
    ),
    { inputs: [operand([2, 7])], fn: (x) => tf.split(x, [2, 4, 1], 1) },
    { inputs: [operand([2, 7])], fn: (x) => tf.split(x, [2, -1, 1], -1) },
    { inputs: [operand([4, 3], integers(), "int32")], fn: (x) => tf.split(x, 2) },
    { inputs: [operand([3, 3])], fn: (x) => tf.split(x, 1), wrt: [] },
  ],
  Pack: [
    fc.tuple(shapes(0, 4), fc.integer({ min: 1, max: 4 })).chain(([s, n]) =>
      fc.integer({ min: -s.length - 1, max: s.length }).map((axis) => ({
        inputs: Array.from({ length: n }, (_, i) => operand(s, undefined, "float32", i)),
        fn: (...x) => tf.stack(x, axis),
      })),
    ),
  ],
  Unpack: [
    shapes(1, 4).chain((s) =>
      axisOf(s.length).map((axis) => ({
        inputs: [operand(s)],
        fn: (x) => tf.unstack(x, axis),
        // tfjs's gradient of one output fails.
        ...(s.at(axis) === 1 ? { wrt: [] } : {}),
      })),
    ),
    { inputs: [operand([2, 3], integers(), "int32")], fn: (x) => tf.unstack(x, 1) },
  ],
  PadV2: eachType(
    (x) => paddings(x.shape.length, () => 2).map((p) => (t) => tf.pad(t, p, x.dtype === "bool" ? 1 : 3)),
    [1, 4],
  ),
  MirrorPad: [
    // tfjs's gradient of mirrorPad forgets the mirrored elements; jit inherits it.
    ...(["reflect", "symmetric"] as const).flatMap((mode) =>
      eachType(
        (x) =>
          paddings(x.shape.length, (i) => x.shape[i] - (mode === "reflect" ? 1 : 0)).map(
            (p) => (t) => tf.mirrorPad(t, p, mode),
          ),
        [1, 4],
      ).slice(0, 2),
    ),
  ],
  Tile: eachType(
    (x) =>
      fc
        .array(fc.integer({ min: 1, max: 3 }), { minLength: x.shape.length, maxLength: x.shape.length })
        .map((reps) => (t) => tf.tile(t, reps)),
    [1, 4],
  ),
  BroadcastTo: [
    ...eachType(
      (x) =>
        fc
          .array(fc.integer({ min: 2, max: 3 }), { maxLength: 1 }) // tfjs has no gradient for tiles of rank 5
          .map((lead) => (t) => tf.broadcastTo(t, [...lead, ...x.shape])),
      [0, 3],
    ),
    { inputs: [operand([1, 3, 1])], fn: (x) => tf.broadcastTo(x, [2, 2, 3, 4]) },
    // tf.broadcastTo runs Tile; the kernel exists for other callers, and the cpu backend has none.
    {
      inputs: [operand([1, 3, 1])],
      fn: (x) =>
        hasKernel("BroadcastTo")
          ? runKernel("BroadcastTo", { x }, { shape: [2, 2, 3, 4] })
          : tf.broadcastTo(x, [2, 2, 3, 4]),
      wrt: [],
    },
  ],
  Reverse: eachType((x) =>
    fc.subarray([...x.shape.keys()]).map(
      (axes) => (t) =>
        tf.reverse(
          t,
          axes.map((axis, i) => (i === 0 ? axis - x.shape.length : axis)),
        ),
    ),
  ),
};
