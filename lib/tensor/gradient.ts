/** Gradients by whole trees of parameters. */
import { type Tensor, tf } from "./tf.ts";
import { flattenTree, mapTensors } from "./tree.ts";

/** Of a function's parameters: its value, and the gradient, a tree like them. */
export interface ValueAndGrad<P> {
  value: Tensor;
  gradient: P;
}

/**
 * `fn(params, ...rest)`, a scalar, with its gradient by every tensor of the tree `params`; one that it does not use has
 * the gradient 0. What lies in `rest` is constant. In a function that `jit` compiles, the gradient is part of the graph.
 * @throws where `fn` does not return a scalar
 */
export const valueAndGrad =
  <P, R extends unknown[]>(fn: (params: P, ...rest: R) => Tensor) =>
  (params: P, ...rest: R): ValueAndGrad<P> => {
    const { value, gradient } = valueAndGradWith((given: P) => ({ loss: fn(given, ...rest) }))(params);
    return { value, gradient };
  };

/** The gradient by what is not used: made of it, because a compiled function returns no constants. */
const nothing = (tensor: Tensor): Tensor => tf.mul(tensor, 0);

/**
 * The same for a function that returns more than its loss: `aux` comes back as it was, without a gradient.
 */
export const valueAndGradWith =
  <P, R extends unknown[], A = undefined>(fn: (params: P, ...rest: R) => { loss: Tensor; aux?: A }) =>
  (params: P, ...rest: R): ValueAndGrad<P> & { aux: A } => {
    const inputs = flattenTree(params).map(({ tensor }) => tensor);
    let aux: A | undefined;
    const { value, grads } = tf.engine().gradients(
      () => {
        const { loss, aux: other } = fn(params, ...rest);
        // Kept beyond tfjs's own scope, and handed to the caller's below.
        aux = other === undefined ? undefined : mapTensors(other, (tensor) => tf.keep(tf.clone(tensor)));
        if (loss.rank !== 0) throw new Error(`valueAndGrad: the loss must be a scalar, got [${loss.shape}]`);
        return loss;
      },
      inputs,
      undefined,
      true,
    );
    const released = (kept: Tensor): Tensor => {
      const value = tf.clone(kept);
      kept.dispose();
      return value;
    };
    const byId = new Map(inputs.map((tensor, i) => [tensor.id, grads[i] as Tensor | undefined]));
    return {
      value,
      gradient: mapTensors(params, (tensor) => byId.get(tensor.id) ?? nothing(tensor)),
      aux: (aux === undefined ? undefined : mapTensors(aux, released)) as A,
    };
  };
