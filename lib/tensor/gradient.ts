/** Gradients by whole trees of parameters. */
import { forgetTape } from "./tape.ts";
import { type Tensor, tf } from "./tf.ts";
import { disposeTree, flattenTree, mapTensors, tidyTree } from "./tree.ts";

/** Of a function's parameters: its value, and the gradient, a tree like them. */
export interface ValueAndGrad<P> {
  value: Tensor;
  gradient: P;
}

/**
 * `fn(params, ...rest)`, a scalar, with its gradient by every float32 tensor of the tree `params`, each at its own place,
 * also where one tensor is in several. One that it does not use has the gradient 0; so have integers and bools, which are
 * constants as what lies in `rest` is. In a function that `jit` compiles, the gradient is part of the graph.
 * @throws where `fn` does not return a scalar, and where `params` hold no float32 tensor
 */
export const valueAndGrad =
  <P, R extends unknown[]>(fn: (params: P, ...rest: R) => Tensor) =>
  (params: P, ...rest: R): ValueAndGrad<P> => {
    const { value, gradient } = valueAndGradWith((given: P) => ({ loss: fn(given, ...rest) }))(params);
    return { value, gradient };
  };

const isDifferentiable = ({ dtype }: Tensor): boolean => dtype === "float32";

/**
 * The gradient 0, which is made of the tensor, because a compiled function returns no constants, and is 0 where that is
 * infinite or no number too.
 */
const nothing = (tensor: Tensor): Tensor =>
  tf.tidy(() => {
    const x = tf.cast(tensor, "float32");
    return tf.cast(tf.less(x, x), "float32");
  });

/** A tree whose tensors that are differentiated by are replaced, in order, by others. */
function withFloats<P>(params: P, next: (i: number) => Tensor, other: (tensor: Tensor) => Tensor): P {
  let i = 0;
  return mapTensors(params, (tensor) => (isDifferentiable(tensor) ? next(i++) : other(tensor)));
}

function checkLoss(loss: unknown): Tensor {
  if (loss instanceof tf.Tensor && loss.rank === 0) return loss;
  const got = loss instanceof tf.Tensor ? `[${loss.shape}]` : String(loss);
  throw new Error(`valueAndGrad: the loss must be a scalar, got ${got}`);
}

/**
 * The same for a function that returns more than its loss: `aux` comes back as it was, without a gradient.
 */
export const valueAndGradWith =
  <P, R extends unknown[], A = undefined>(fn: (params: P, ...rest: R) => { loss: Tensor; aux?: A }) =>
  (params: P, ...rest: R): ValueAndGrad<P> & { aux: A } => {
    const leaves = flattenTree(params).map(({ tensor }) => tensor);
    if (!leaves.some(isDifferentiable))
      throw new Error(
        `valueAndGrad: params must hold a float32 tensor to differentiate by, got ${leaves.map(({ dtype }) => dtype).join(", ") || "no tensor"}`,
      );
    const kept: Tensor[] = [];
    try {
      return tidyTree(() => {
        // tfjs tells what it differentiates by from all else by the tensor: each place gets one of its own.
        const places = leaves.filter(isDifferentiable).map((tensor) => tf.clone(tensor));
        const given = withFloats(
          params,
          (i) => places[i],
          (tensor) => tensor,
        );
        let aux: A | undefined;
        const { value, grads } = tf.engine().gradients(
          () => {
            const { loss, aux: other } = fn(given, ...rest);
            const checked = checkLoss(loss);
            // Kept beyond tfjs's own scope, and let go below.
            aux = mapTensors(other, (tensor) => {
              kept.push(tf.keep(tf.clone(tensor)));
              return kept[kept.length - 1];
            });
            return checked;
          },
          places,
          undefined,
          true,
        );
        return {
          value,
          gradient: withFloats(
            params,
            (i) => (grads[i] as Tensor | undefined) ?? nothing(places[i]),
            nothing,
          ),
          aux: mapTensors(aux, (tensor) => tf.clone(tensor)) as A,
        };
      });
    } catch (error) {
      forgetTape();
      throw error;
    } finally {
      disposeTree(kept);
    }
  };
