/** tfjs's tape: the record by which it differentiates. */
import { type Tensor, tf } from "./tf.ts";

/** Whether operations are being recorded for a gradient; not within one that brings its own. */
export const isRecording = (): boolean => {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
};

/**
 * The gradients of dy * fn(inputs) by the inputs, also while another gradient is being computed, whose record tfjs would
 * throw away.
 */
export function gradientsWithin(fn: (...inputs: Tensor[]) => Tensor, inputs: Tensor[], dy: Tensor): Tensor[] {
  const { state } = tf.engine();
  const { activeTape } = state;
  try {
    return tf.grads(fn)(inputs, dy);
  } finally {
    state.activeTape = activeTape;
  }
}

/** Lets go of what tfjs kept for a gradient that failed; of one within another, whose record it is too, nothing. */
export function forgetTape(): void {
  const { state } = tf.engine();
  if (state.gradientDepth > 0 || !state.activeTape) return;
  for (const { saved = [] } of state.activeTape) tf.dispose(saved);
  state.activeTape = null as unknown as typeof state.activeTape;
}
