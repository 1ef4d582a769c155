/**
 * Eager tensors on the GPU that compiled functions run on: tfjs's WebGPU backend, over the same device. Arrays go from one
 * to the other as they lie there: float32, int32 and bool are four bytes a number in both.
 */
import { type DeviceArray, handOver, lendArrays } from "../jit/buffers.ts";
import { deviceArray } from "../jit/targets/planned/arrays.ts";
import { lossError } from "../jit/targets/planned/device.ts";
import { openDevice, type WebGPUDevice } from "../jit/targets/webgpu/device.ts";
import type { GPUBuffer } from "../jit/targets/webgpu/gpu.ts";
import { type DataType, type Tensor, tf } from "../tensor/tf.ts";
import { type TensorData, type WebGPUBackend, webgpuBackendClass } from "./tfjs-webgpu.ts";
import { mendKernels } from "./webgpu-kernels.ts";

export const BACKEND = "webgpu";
/** As tfjs registers it. */
const PRIORITY = 3;
/** A tensor of fewer numbers that is still on the host, as a learning rate is, is given from there. */
const FEW = 64;
/** Bytes of buffers that tfjs keeps for another use. */
const KEPT = 64 * 2 ** 20;

/** What is used of tfjs's engine that it does not show. */
interface Engine {
  readonly state: {
    tensorInfo: WeakMap<object, { backend: object; dtype: DataType; shape: number[] }>;
    numDataMovesStack: number[];
  };
  readonly registryFactory: Record<string, unknown>;
  moveData(backend: object, dataId: object): void;
  removeDataId(dataId: object, backend: object): void;
  shouldCheckForMemLeaks(): boolean;
}
const engine = tf.engine() as unknown as Engine;

const UNREAD =
  "the tensor lies on a GPU, whose numbers come asynchronously; read them with `await tensor.data()`, after which `dataSync` and `print` work too";

/** What it keeps of a tensor whose array a compiled function made. */
type Kept = TensorData & { array?: DeviceArray };

/** tfjs's backend, to which compiled functions' arrays are handed over, and what it says where it has no answer in Node. */
function makeBackend(device: WebGPUDevice): WebGPUBackend {
  const { gpu, globals } = device.dawn;
  const backend = new (webgpuBackendClass(gpu, globals))(device.gpu, device.info);
  mendKernels();

  const takeOver = (dataId: object): boolean => {
    const taken = handOver(dataId, device);
    const info = engine.state.tensorInfo.get(dataId);
    if (!taken || !info) return false;
    const { array, references } = taken;
    const { dtype, shape } = info;
    const data: Kept = { dtype, shape, values: null, refCount: references };
    if (tf.util.sizeFromShape(shape) === 0) {
      // tfjs takes a buffer's size for the tensor's, and no buffer is empty.
      data.values = tf.util.getTypedArrayFromDType(dtype as "float32", 0);
      array.release();
    } else Object.assign(data, { resource: array.handle, external: true, array });
    info.backend = backend;
    backend.tensorMap.set(dataId, data);
    if (engine.shouldCheckForMemLeaks()) {
      const moves = engine.state.numDataMovesStack;
      moves[moves.length - 1]++;
    }
    return true;
  };
  backend.tensorMap = new tf.DataStorage<TensorData>(backend, {
    moveData: (to: object, dataId: object) => {
      if (!takeOver(dataId)) engine.moveData(to, dataId);
    },
  });

  /** When each tensor was made: a fault that is found later may be in it. */
  const made = new WeakMap<object, number>();
  const { set } = backend.tensorMap;
  backend.tensorMap.set = (dataId, data) => {
    made.set(dataId, ++device.made);
    set.call(backend.tensorMap, dataId, data);
  };
  limitKept(backend);
  const { releaseResource, readSync, read } = backend;
  backend.releaseResource = (dataId) => {
    const data: Kept = backend.tensorMap.get(dataId);
    releaseResource.call(backend, dataId);
    data.array?.release();
    delete data.array;
  };
  backend.readSync = (dataId) => {
    const { values, dtype } = backend.tensorMap.get(dataId);
    if (values === null || values === undefined) {
      if (device.loss !== undefined) throw lossError("the tensor", device);
      if (dtype !== "string" && dtype !== "complex64") throw new Error(UNREAD);
    }
    return readSync.call(backend, dataId);
  };
  backend.read = async (dataId) => {
    // The reader may dispose the tensor while it waits.
    backend.incRef(dataId);
    try {
      const values = await read.call(backend, dataId);
      device.throwFault(made.get(dataId) ?? 0);
      return values;
    } catch (error) {
      await Promise.race([device.gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
      throw device.loss === undefined ? error : lossError("the tensor", device);
    } finally {
      drop(backend, dataId);
    }
  };
  return backend;
}

/**
 * tfjs keeps every buffer that it has had for one of the very same size, for good. The state that a training begins with
 * would take its memory beside that of the running training. What is more than a little goes back to the GPU.
 */
function limitKept({ bufferManager }: WebGPUBackend): void {
  const { releaseBuffer } = bufferManager;
  bufferManager.releaseBuffer = (buffer, reuse = true) => {
    const kept = bufferManager.numBytesAllocated - bufferManager.numBytesUsed;
    releaseBuffer.call(bufferManager, buffer, reuse && kept + buffer.size <= KEPT);
  };
}

/** Gives up a hold on a tensor's data, which is gone behind the last. */
function drop(backend: WebGPUBackend, dataId: object): void {
  if (backend.disposeData(dataId)) engine.removeDataId(dataId, backend);
}

/** Arrays of the backend for compiled functions on its device. */
function lenderOf(backend: WebGPUBackend, device: WebGPUDevice): (tensor: Tensor) => DeviceArray | undefined {
  return (tensor) => {
    const { dataId, dtype, size } = tensor;
    if (engine.state.tensorInfo.get(dataId)?.backend !== backend) return undefined;
    if (size === 0 || (dtype !== "float32" && dtype !== "int32" && dtype !== "bool")) return undefined;
    const data = backend.tensorMap.get(dataId);
    // Integers by another name are the same, numbers of another kind are not.
    if ((data.dtype === "float32") !== (dtype === "float32")) return undefined;
    if (!data.resource) {
      if (size < FEW) return undefined;
      backend.uploadToGPU(dataId);
    }
    // What was recorded comes first: the same queue takes the compiled function's work behind it.
    if (backend.commandEncoder) {
      backend.endComputePassEncoder();
      backend.submitQueue();
    }
    backend.incRef(dataId);
    let holds = 1;
    return {
      ...deviceArray(device, data.resource as GPUBuffer, size, dtype),
      // tfjs's tensors share it, whoever holds it here: nobody may write over it.
      users: Number.POSITIVE_INFINITY,
      retain: () => void holds++,
      release() {
        if (--holds === 0) drop(backend, dataId);
      },
    };
  };
}

let current: { device: WebGPUDevice; backend: WebGPUBackend } | undefined;

/** Makes the backend tfjs's `webgpu`, in place of what had that name. */
function register(device: WebGPUDevice): void {
  const backend = makeBackend(device);
  const wasChosen = tf.getBackend() === BACKEND;
  if (BACKEND in engine.registryFactory) tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, () => backend as unknown as InstanceType<typeof tf.KernelBackend>, PRIORITY);
  current = { device, backend };
  lendArrays(lenderOf(backend, device));
  if (wasChosen) void tf.setBackend(BACKEND);
  void device.gpu.lost.then(async () => {
    if (current?.device !== device) return;
    current = undefined;
    lendArrays(undefined);
    try {
      await eagerWebGPU();
    } catch (error) {
      console.warn(`ditlab: no GPU could be opened in place of a lost one: ${(error as Error).message}`);
    }
  });
}

/** Registers the backend `webgpu` on the device of compiled functions, which is opened if there is none. */
export async function eagerWebGPU(): Promise<WebGPUDevice> {
  const device = await openDevice();
  if (current?.device !== device) register(device);
  return device;
}
