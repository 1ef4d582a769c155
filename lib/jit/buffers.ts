/**
 * The memory of results. A compiled function's results live in a tfjs backend of their own, which knows who may still
 * see an array: one that was read, or that an eager operation took, has left the library and is never written again.
 */
import { type DataType, type Tensor, tf } from "../tensor/tf.ts";
import { type Backend, type BackendValues, IdleBackend } from "./backend.ts";
import type { GraphData } from "./element-types.ts";
import type { Value } from "./graph.ts";

const BACKEND = "ditlab-host";

export interface Buffer {
  readonly data: GraphData;
  /** Whether someone outside may hold the array. */
  left: boolean;
  /** Calls under way that use it; each is settled when its call is over. */
  readonly calls: Set<Promise<void>>;
}

export const newBuffer = (data: GraphData, left = false): Buffer => ({ data, left, calls: new Set() });

type Values = Float32Array | Int32Array | Uint8Array;

/** It has no kernels: tfjs moves a tensor to the eager backend when an operation wants it, by reading it. */
class HostBackend extends IdleBackend {
  // Weak: what nobody holds any more is freed, disposed or not, as on tfjs's own backend of the processor.
  private readonly entries = new WeakMap<object, { buffer: Buffer; references: number }>();
  /** What to say of tensors that are gone. */
  readonly refusals = new WeakMap<object, string>();

  adopt(dataId: object, buffer: Buffer): void {
    this.entries.set(dataId, { buffer, references: 1 });
  }
  /** The memory that a tensor alone has; none where another tensor shares it, or where it lies elsewhere. */
  bufferOf({ dataId }: Tensor): Buffer | undefined {
    return this.entries.get(dataId)?.buffer;
  }
  override refCount(dataId: object): number {
    return this.entries.get(dataId)?.references ?? 0;
  }
  override incRef(dataId: object): void {
    const entry = this.entries.get(dataId);
    if (entry) entry.references++;
  }
  override disposeData(dataId: object, force = false): boolean {
    const entry = this.entries.get(dataId);
    if (!entry) return true;
    entry.references--;
    if (!force && entry.references > 0) return false;
    this.entries.delete(dataId);
    return true;
  }
  override readSync(dataId: object): Values {
    const entry = this.entries.get(dataId);
    if (!entry) throw new Error(this.refusals.get(dataId) ?? "jit: the tensor is gone");
    entry.buffer.left = true;
    return entry.buffer.data as Values;
  }
  override async read(dataId: object): Promise<Values> {
    return this.readSync(dataId);
  }
  override move(dataId: object, values: BackendValues): void {
    this.adopt(dataId, newBuffer(values as GraphData, true));
  }
}

const host = new HostBackend();
// The lowest priority: tfjs never chooses it for eager operations.
tf.registerBackend(BACKEND, () => host as unknown as Backend, 0);

/** A tensor over a buffer. */
export function tensorOver(buffer: Buffer, { shape, dtype }: Value): Tensor {
  const engine = tf.engine();
  const make = engine as unknown as {
    makeTensorFromTensorInfo(info: { dataId: object; shape: number[]; dtype: DataType }, on: unknown): Tensor;
  };
  const dataId = {};
  host.adopt(dataId, buffer);
  return make.makeTensorFromTensorInfo(
    { dataId, shape, dtype: dtype as DataType },
    engine.findBackend(BACKEND),
  );
}

/** Marks of a tensor that tfjs does not show. */
interface Handle {
  isDisposedInternal: boolean;
  dataId: object;
}

/**
 * Takes a tensor away from its holders: whatever they do with it fails with `message`. Returns a function that gives it
 * back.
 */
export function takeAway(tensor: Tensor, message: string): () => void {
  const handle = tensor as unknown as Handle;
  const { dataId } = handle;
  const nothing = {};
  host.refusals.set(nothing, message);
  const { tensorInfo } = tf.engine().state as unknown as { tensorInfo: WeakMap<object, object> };
  const backend = tf.engine().findBackend(BACKEND);
  tensorInfo.set(nothing, { backend, dtype: tensor.dtype, shape: tensor.shape, bytes: 0 });
  Object.assign(handle, { dataId: nothing, isDisposedInternal: true });
  return () => Object.assign(handle, { dataId, isDisposedInternal: false });
}

/** Why a tensor's numbers are gone, if they were taken away. */
export const refusalOf = (dataId: object): string | undefined => host.refusals.get(dataId);

/** The buffer of a tensor that a compiled function made, unless tfjs has moved it to another backend since. */
export const bufferOf = (tensor: Tensor): Buffer | undefined => host.bufferOf(tensor);
