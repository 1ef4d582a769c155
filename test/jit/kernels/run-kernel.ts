/** Kernels of tfjs by name, also those that no public operation runs. */
import { type Tensor, tf } from "../../../lib/tensor/tf.ts";

/** True when the active backend has a kernel. Some exist only while `jit` traces. */
export const hasKernel = (name: string): boolean => tf.getKernel(name, tf.getBackend()) != null;

/** Runs a kernel by name on the active backend. */
export const runKernel = <T extends Tensor | Tensor[]>(
  name: string,
  inputs: Record<string, Tensor>,
  attributes: Record<string, unknown> = {},
): T =>
  tf
    .engine()
    .runKernel(name, inputs, attributes as Parameters<ReturnType<typeof tf.engine>["runKernel"]>[2]) as T;
