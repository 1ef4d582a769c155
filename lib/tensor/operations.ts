/**
 * Larger operations than tfjs has, which compiled graphs hold as they are: each target has its own form of them. Where they
 * are missing, on eager backends, `nn` composes them from tfjs's own.
 */
import { type Tensor, tf } from "./tf.ts";

/** What each takes and gives. */
export interface Operations {
  /** alpha op(a) op(b), with op the transpose of the last two axes where asked; leading axes broadcast. */
  ScaledMatMul: {
    inputs: { a: Tensor; b: Tensor };
    attributes: { transposeA: boolean; transposeB: boolean; alpha: number };
    result: Tensor;
  };
  /** x normalized over its last axis, and 1/deviation [...,1]. */
  LayerNorm: { inputs: { x: Tensor }; attributes: { epsilon: number }; result: [Tensor, Tensor] };
  /** x [B,T,D] normalized, times gain, plus shift, each [B,1,D] or [B,T,D]. */
  ModulatedLayerNorm: {
    inputs: { x: Tensor; gain: Tensor; shift: Tensor };
    attributes: { epsilon: number };
    result: Tensor;
  };
  /** x sigmoid(2 sqrt(2/pi) (x + 0.044715 x^3)), the tanh approximation. */
  Gelu: { inputs: { x: Tensor }; attributes: object; result: Tensor };
  /** Its gradient: dx of dy, x and y = Gelu(x). */
  GeluGradient: { inputs: { dy: Tensor; x: Tensor; y: Tensor }; attributes: object; result: Tensor };
  /** softmax(q k^T / sqrt(D/heads)) v in heads; q, k, v [B,T,D]. */
  MultiHeadAttention: {
    inputs: { q: Tensor; k: Tensor; v: Tensor };
    attributes: { heads: number };
    result: Tensor;
  };
  /** The sigmoid, which may pass 1 by a unit in the last place: for factors, where that is no matter. */
  Gate: { inputs: { x: Tensor }; attributes: object; result: Tensor };
  /** `x`, once all of the others have been computed: a graph's order follows data, and nothing else. */
  After: { inputs: { x: Tensor; [other: string]: Tensor }; attributes: object; result: Tensor };
  /** The sum of the squares of all elements, a scalar. */
  SumOfSquares: { inputs: { x: Tensor }; attributes: object; result: Tensor };
}

/** What a whole operation is computed by, from the same inputs. */
export type Definition = (inputs: Tensor[]) => Tensor[];

/**
 * `definition(inputs)`, which a compiled graph holds as one operation of this name: a target that has a form of its own for
 * it takes that, and others what it is defined by. The definition reads nothing but its inputs.
 */
export function whole(
  name: string,
  inputs: Tensor[],
  attributes: Readonly<Record<string, number | { float: number }>>,
  definition: Definition,
): Tensor[] {
  if (!hasWhole()) return definition(inputs);
  const named = Object.fromEntries(inputs.map((tensor, i) => [`x${i}`, tensor]));
  const options = { name, attributes, definition } as unknown as Parameters<
    ReturnType<typeof tf.engine>["runKernel"]
  >[2];
  return tf.engine().runKernel(WHOLE, named, options) as unknown as Tensor[];
}

/** Whether the active backend holds whole operations: while `jit` traces. */
export const hasWhole = (): boolean => tf.getKernel(WHOLE, tf.getBackend()) != null;

/** The name that a backend which traces has it by. */
export const WHOLE = "ditlab.Whole";

export type OperationName = keyof Operations;

/** 2 sqrt(2/pi) and 0.044715, of the tanh approximation of GELU. */
export const GELU = { scale: 2 * Math.sqrt(2 / Math.PI), cubic: 0.044715 } as const;

/** Whether the active backend has one: while `jit` traces it has all. */
export const hasOperation = (name: OperationName): boolean => tf.getKernel(name, tf.getBackend()) != null;

/** Runs one on the active backend. */
export const operation = <N extends OperationName>(
  name: N,
  inputs: Operations[N]["inputs"],
  attributes: Operations[N]["attributes"],
): Operations[N]["result"] =>
  tf
    .engine()
    .runKernel(
      name,
      inputs as Record<string, Tensor>,
      attributes as Parameters<ReturnType<typeof tf.engine>["runKernel"]>[2],
    ) as unknown as Operations[N]["result"];
