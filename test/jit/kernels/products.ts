/** Cases for matrix products, and for the kernels of our own that only traced code has. */
import fc from "fast-check";
import { multiHeadAttention, scaledDotProductAttention } from "../../../lib/nn/attention.ts";
import { gelu, inOrder, modulatedLayerNorm, silu, sumOfSquares } from "../../../lib/nn/fused.ts";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import type { Case } from "./compare.ts";
import type { Cases } from "./elementwise.ts";
import { between, given, operand, operands, positive, shapes } from "./operands.ts";
import { hasKernel, runKernel } from "./run-kernel.ts";

const matrices = fc
  .tuple(
    fc.constantFrom<[number[], number[]]>(
      [[], []],
      [[3], [3]],
      [
        [2, 3],
        [2, 3],
      ],
      [[1], [3]],
      [[3], [1]],
      [[3], []],
      [[], [3]],
    ),
    fc.tuple(fc.constantFrom(1, 2, 5), fc.constantFrom(1, 3, 4), fc.constantFrom(1, 2, 3)),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([[batchA, batchB], [rows, inner, columns], transposeA, transposeB]) => ({
    a: operand([...batchA, ...(transposeA ? [inner, rows] : [rows, inner])]),
    b: operand([...batchB, ...(transposeB ? [columns, inner] : [inner, columns])], undefined, "float32", 2),
    transposeA,
    transposeB,
    // tfjs's gradient does not sum over broadcast batches.
    wrt: `${batchA}` === `${batchB}` ? [0, 1] : [],
  }));

const activations = ["linear", "relu", "relu6", "elu", "sigmoid", "leakyrelu", "prelu"] as const;
const fusedMatMul = activations.flatMap((activation): Case[] => {
  const inputs = [
    operand([3, 4]),
    operand([5, 4], undefined, "float32", 2),
    operand([5], undefined, "float32", 3),
    operand([5], positive, "float32", 4),
  ];
  const fn = (a: Tensor, b: Tensor, bias?: Tensor, prelu?: Tensor): Tensor =>
    tf.fused.matMul({
      a,
      b,
      transposeB: true,
      bias,
      activation,
      preluActivationWeights: activation === "prelu" ? prelu : undefined,
      leakyreluAlpha: 0.3,
    });
  const cases: Case[] = [{ inputs, fn, wrt: [] }];
  if (activation === "relu" || activation === "linear") cases.push({ inputs: inputs.slice(0, 3), fn });
  if (activation === "linear") cases.push({ inputs: inputs.slice(0, 2), fn });
  return cases;
});

const EQUATIONS: [string, number[][]][] = [
  ["ij->ji", [[2, 3]]],
  ["ij->", [[2, 3]]],
  ["ijk->ik", [[2, 3, 4]]],
  ["i,i->", [[3], [3]]],
  ["i,j->ij", [[3], [4]]],
  [
    "ij,jk->ik",
    [
      [2, 3],
      [3, 4],
    ],
  ],
  [
    "bij,bkj->bik",
    [
      [2, 3, 4],
      [2, 5, 4],
    ],
  ],
  [
    "bhid,bhjd->bhij",
    [
      [1, 2, 3, 4],
      [1, 2, 5, 4],
    ],
  ],
  [
    "nchw, ck -> nhwk",
    [
      [2, 3, 2, 2],
      [3, 4],
    ],
  ],
  ["ij,j->i", [[2, 3], [3]]],
];

const scaledMatMul = (a: Tensor, b: Tensor, transposeA: boolean, transposeB: boolean): Tensor =>
  hasKernel("ScaledMatMul")
    ? runKernel("ScaledMatMul", { a, b }, { transposeA, transposeB, alpha: 0.37 })
    : tf.mul(tf.matMul(a, b, transposeA, transposeB), 0.37);

const modulated = fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(1, 4), fc.constantFrom(5, 16)).map(
  ([b, t, d]): Case => ({
    inputs: [operand([b, t, d]), operand([b, 1, d]), operand([b, 1, d], undefined, "float32", 3)],
    fn: (x, shift, scale) => modulatedLayerNorm(x, shift, scale),
    tolerance: 3e-5, // variances of few elements cancel
  }),
);

const gelus = operands(shapes(0, 4), between(-2.5, 2.5)).map((x): Case => ({ inputs: [x], fn: gelu }));

export const products: Record<string, Cases> = {
  BatchMatMul: [
    matrices.map(({ a, b, transposeA, transposeB, wrt }) => ({
      inputs: [a, b],
      fn: (x, y) => tf.matMul(x, y, transposeA, transposeB),
      wrt,
    })),
    {
      // Batches that both broadcast, which tfjs's cpu backend gets wrong.
      inputs: [operand([2, 1, 3, 4]), operand([1, 3, 4, 2], undefined, "float32", 2)],
      fn: (x, y) =>
        tf.getBackend() === "cpu"
          ? tf.matMul(tf.tile(x, [1, 3, 1, 1]), tf.tile(y, [2, 1, 1, 1]))
          : tf.matMul(x, y),
      wrt: [],
    },
  ],
  _FusedMatMul: fusedMatMul,
  Einsum: EQUATIONS.map(([equation, all]) => ({
    inputs: all.map((shape, i) => operand(shape, undefined, "float32", i)),
    fn: (...x) => tf.einsum(equation, ...x),
    wrt: [], // tfjs has no gradient
  })),
  ScaledMatMul: [
    matrices.map(({ a, b, transposeA, transposeB }) => ({
      inputs: [a, b],
      fn: (x, y) => scaledMatMul(x, y, transposeA, transposeB),
      wrt: [],
    })),
    {
      inputs: [1, 2, 3].map((seed) => operand([2, 2, 3, 4], undefined, "float32", seed)),
      fn: (q, k, v) => scaledDotProductAttention(q, k, v),
    },
  ],
  // The value comes from the one and the gradient from the other.
  LayerNorm: [modulated],
  ModulatedLayerNorm: [modulated],
  // The value comes from the one and the gradient from the other.
  Gelu: [gelus],
  GeluGradient: [gelus],
  Gate: [
    operands(shapes(0, 4), between(-2.5, 2.5)).map((x) => ({ inputs: [x], fn: silu })),
    // Where a sigmoid that passes 1 or stops short of 0 would be multiplied with something large.
    { inputs: [given([-1000, -60, -18, 18, 60, 1000])], fn: gelu },
    { inputs: [given([-1000, -60, -18, 18, 60, 1000])], fn: silu },
  ],
  MultiHeadAttention: [
    fc.tuple(fc.constantFrom(1, 2), fc.constantFrom(2, 5), fc.constantFrom(1, 3)).map(([b, t, heads]) => ({
      inputs: [0, 1, 2].map((seed) => operand([b, t, 4 * heads], undefined, "float32", seed)),
      // Where one weight is nearly 1 the gradient would be a small difference of large numbers.
      fn: (q, k, v) => multiHeadAttention(tf.mul(q, 0.1), k, v, heads),
      tolerance: 3e-5,
    })),
  ],
  After: [
    {
      inputs: [operand([2, 3]), operand([4], undefined, "float32", 1), operand([], undefined, "float32", 2)],
      // What is waited for may be anything, and changes nothing.
      fn: (x, a, b) => inOrder(x, [a, tf.div(b, 0), tf.sub(tf.div(a, 0), tf.div(a, 0))]),
      wrt: [],
    },
  ],
  SumOfSquares: [operands(shapes(0, 5)).map((x) => ({ inputs: [x], fn: sumOfSquares, wrt: [] }))],
};
