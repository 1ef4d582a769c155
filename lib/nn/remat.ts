/** Recomputation: time for memory. */
import { gradientsWithin, isRecording } from "../tensor/tape.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { inOrder } from "./fused.ts";

/**
 * `fn(x, ...others)`, of whose values in between none are kept for the gradient: what depends on `x` is computed again
 * when the gradient is asked for. `fn` must use all of its inputs, and nothing else that is to be differentiated.
 */
export function remat(fn: (...inputs: Tensor[]) => Tensor, x: Tensor, ...others: Tensor[]): Tensor {
  if (!isRecording()) return fn(x, ...others);
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as (tensors: Tensor[]) => void;
    const inputs = args.slice(0, -1) as Tensor[];
    save(inputs);
    return {
      value: fn(...inputs),
      gradFunc: (dy: Tensor, [x, ...others]: Tensor[]) => {
        // Not before dy is there: equal computations would be made once, and kept.
        const [dx, ...rest] = gradientsWithin(fn, [inOrder(x, [dy]), ...others], dy);
        // All of them, before the gradient goes on: what they need is not kept either.
        return [inOrder(dx, rest), ...rest];
      },
    };
  })(x, ...others);
}
