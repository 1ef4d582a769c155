/**
 * The memory of results. A compiled function's results live in a tfjs backend of their own, which knows who may still
 * see an array: one that was read, or that an eager operation took, has left the library and is never written again.
 */
import { type DataType, type Tensor, tf } from "../tensor/tf.ts";
import { type Backend, type BackendValues, IdleBackend } from "./backend.ts";
import { type GraphData, type GraphType, graphData } from "./element-types.ts";
import type { Value } from "./graph.ts";

const BACKEND = "ditlab-host";

/** An array of a device. */
export interface DeviceArray {
  /** The device's own handle of it. */
  readonly handle: unknown;
  /** Which device it is of. */
  readonly device: object;
  /** How many use it. */
  readonly users: number;
  /** A copy of its numbers, once all work on the device that was given before is done. */
  read(): Promise<GraphData>;
  /** The same at once, of devices for which a process may wait. */
  readNow?(): GraphData;
  /** One more uses it. */
  retain(): void;
  /** One of those uses it no more; behind the last it is gone. */
  release(): void;
}

/** Where numbers lie. */
export type Memory = GraphData | DeviceArray;
export const isOnHost = (memory: Memory): memory is GraphData => !("handle" in memory);

export interface Buffer {
  readonly data: Memory;
  /** Whether someone outside may hold the array. */
  left: boolean;
  /** Calls under way that use it; each is settled when its call is over. */
  readonly calls: Set<Promise<void>>;
}

export const newBuffer = (data: Memory, left = false): Buffer => ({ data, left, calls: new Set() });

type Values = Float32Array | Int32Array | Uint8Array;

interface Entry {
  readonly buffer: Buffer;
  references: number;
  /** What has been brought to the host from a device. */
  numbers?: Values;
}

/** It has no kernels: tfjs moves a tensor to the eager backend when an operation wants it, by reading it. */
class HostBackend extends IdleBackend {
  // Weak: what nobody holds any more is freed, disposed or not, as on tfjs's own backend of the processor.
  private readonly entries = new WeakMap<object, Entry>();
  /** What to say of tensors that are gone. */
  readonly refusals = new WeakMap<object, string>();

  adopt(dataId: object, buffer: Buffer): void {
    this.entries.set(dataId, { buffer, references: 1 });
    if (!isOnHost(buffer.data)) buffer.data.retain();
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
    if (!isOnHost(entry.buffer.data)) entry.buffer.data.release();
    return true;
  }
  override readSync(dataId: object): Values {
    const entry = this.entries.get(dataId);
    if (!entry) throw new Error(this.refusals.get(dataId) ?? "jit: the tensor is gone");
    const { data } = entry.buffer;
    if (!isOnHost(data)) {
      entry.numbers ??= data.readNow?.() as Values | undefined;
      if (entry.numbers) return entry.numbers;
      throw new Error(
        'jit: the tensor lies on a GPU, whose numbers come asynchronously; `await tensor.data()` reads them, and eager operations take it as it is after `await useDevice("webgpu")`',
      );
    }
    entry.buffer.left = true;
    return data as Values;
  }
  override async read(dataId: object): Promise<Values> {
    const entry = this.entries.get(dataId);
    if (!entry || isOnHost(entry.buffer.data)) return this.readSync(dataId);
    // Kept, as tfjs's own backends of GPUs do, so that a tensor that has been read can be shown and moved.
    entry.numbers ??= (await entry.buffer.data.read()) as Values;
    return entry.numbers;
  }
  /** Drops what was brought to the host of an array that will have other numbers. */
  forget(dataId: object): void {
    delete this.entries.get(dataId)?.numbers;
  }
  /** Gives an array of a device away as it is, with the holds that its tensors have on it. */
  handOver(dataId: object, device: object): { array: DeviceArray; references: number } | undefined {
    const entry = this.entries.get(dataId);
    if (!entry || isOnHost(entry.buffer.data) || entry.buffer.data.device !== device) return undefined;
    this.entries.delete(dataId);
    // Behind this nobody here writes there.
    entry.buffer.left = true;
    return { array: entry.buffer.data, references: entry.references };
  }
  override move(dataId: object, values: BackendValues): void {
    this.adopt(dataId, newBuffer(values as GraphData, true));
  }
}

const host = new HostBackend();
// The lowest priority: tfjs never chooses it for eager operations.
tf.registerBackend(BACKEND, () => host as unknown as Backend, 0);

/** A tensor over a buffer. */
export function tensorOver(buffer: Buffer, { shape, dtype }: Pick<Value, "shape" | "dtype">): Tensor {
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

/** A tensor of numbers that nobody else has, such as a compiled function's results are. */
export const ownTensor = (numbers: Float32Array<ArrayBuffer>, shape: readonly number[]): Tensor =>
  tensorOver(newBuffer(numbers), { shape: [...shape], dtype: "float32" });

/** Marks of a tensor that tfjs does not show. */
interface Handle {
  isDisposedInternal: boolean;
  dataId: object;
}

/** What stands in the place of tensors' numbers that are gone. */
export type Nothing = object;

/** Whatever is done with a tensor that has nothing fails with `message`. */
export function nothing(message: string): Nothing {
  const made = {};
  host.refusals.set(made, message);
  const { tensorInfo } = tf.engine().state as unknown as { tensorInfo: WeakMap<object, object> };
  const backend = tf.engine().findBackend(BACKEND);
  tensorInfo.set(made, { backend, dtype: "float32", shape: [0], bytes: 0 });
  return made;
}

/** Takes a tensor away from its holders, who have nothing then. Returns a function that gives it back. */
export function takeAway(tensor: Tensor, left: Nothing): () => void {
  const handle = tensor as unknown as Handle;
  const { dataId } = handle;
  handle.dataId = left;
  handle.isDisposedInternal = true;
  return () => {
    handle.dataId = dataId;
    handle.isDisposedInternal = false;
  };
}

/** Why a tensor's numbers are gone, if they were taken away. */
export const refusalOf = (dataId: object): string | undefined => host.refusals.get(dataId);

/** A tensor's numbers on the host, as its dtype wants them; those of a compiled function's result are not copied. */
export async function hostNumbers(tensor: Tensor): Promise<GraphData> {
  const data = bufferOf(tensor)?.data;
  if (data && isOnHost(data)) return data;
  // tfjs casts int32 to float32 by renaming: the array may still be of the former type.
  return graphData(await tensor.data(), tensor.dtype as GraphType);
}

/** The buffer of a tensor that a compiled function made, unless tfjs has moved it to another backend since. */
export const bufferOf = (tensor: Tensor): Buffer | undefined => host.bufferOf(tensor);

/** Where the numbers of a compiled function's result lie; nothing where somebody else may see them. */
function ownMemory(tensor: Tensor): Memory | undefined {
  const buffer = bufferOf(tensor);
  if (!buffer || buffer.left || buffer.calls.size > 0 || host.refCount(tensor.dataId) > 1) return undefined;
  return buffer.data;
}

/**
 * The numbers of a compiled function's result on the host, to be written over: nothing where they lie elsewhere, or where
 * somebody else may see them.
 */
export function ownNumbers(tensor: Tensor): GraphData | undefined {
  const memory = ownMemory(tensor);
  return memory && isOnHost(memory) ? memory : undefined;
}

/** The same of numbers on a device. */
export function ownArray(tensor: Tensor): DeviceArray | undefined {
  const memory = ownMemory(tensor);
  if (!memory || isOnHost(memory) || memory.users > 1) return undefined;
  host.forget(tensor.dataId);
  return memory;
}

/** Takes a tensor's array from here, if it is one of that device: who calls this releases it. */
export const handOver = (dataId: object, device: object) => host.handOver(dataId, device);

/** Gives the array of an eager tensor on a device, held as by `retain`; nothing for tensors elsewhere. */
type Lender = (tensor: Tensor) => DeviceArray | undefined;
let lender: Lender | undefined;

/** Says how compiled functions come by arrays of the eager backend that lie on their own device. */
export function lendArrays(lend: Lender | undefined): void {
  lender = lend;
}

/** The array that a tensor has on a device, whoever made it, held until it is released. */
export function heldArray(tensor: Tensor): DeviceArray | undefined {
  const data = bufferOf(tensor)?.data;
  if (!data) return lender?.(tensor);
  if (isOnHost(data)) return undefined;
  data.retain();
  return data;
}
