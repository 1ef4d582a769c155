/** Whose tensors are whose, in functions that wait between their steps, where `tf.tidy` does not reach. */
import { type Tensor, tf } from "../tensor/tf.ts";

/** Runs a piece of work, adding the tensors that it leaves to those that were made. */
export function within<T>(made: Tensor[], body: () => T): T {
  const engine = tf.engine();
  engine.startScope();
  const { track } = engine.state.activeScope;
  try {
    return body();
  } finally {
    made.push(...track);
    engine.endScope(track);
  }
}

/** Tells which tensors are made from now on, as a call's own result is: tensors are numbered as they are made. */
export function newcomers(): (tensor: Tensor) => boolean {
  const mark = tf.scalar(0);
  mark.dispose();
  return ({ id, kept }) => id > mark.id && !kept;
}
