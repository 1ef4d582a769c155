/** Tensors from outside a traced function: their numbers become constants of its graph. */
import { type DataType, tf } from "../tensor/tf.ts";
import { refusalOf } from "./buffers.ts";
import { type GraphData, type GraphType, graphData, graphType } from "./element-types.ts";

/** What tfjs's kernels see of a tensor. */
export interface TensorInfo {
  dataId: object;
  shape: number[];
  dtype: DataType;
}

/** Numbers by their tensor's data id: of those that were made within a trace, or read for one. They outlive it. */
export const constants = new WeakMap<object, GraphData>();

/** A trace met tensors from outside whose backend, as webgpu does, gives their numbers asynchronously. */
export class UnreadTensors extends Error {
  /** Settles when the numbers are here: the next trace finds them. */
  readonly reading: Promise<unknown>;

  constructor(tensors: readonly TensorInfo[]) {
    const [{ shape, dtype }] = tensors;
    super(
      `jit: a tensor from outside the traced function ([${shape}] ${dtype}) has numbers that its backend gives only asynchronously; ` +
        "call the compiled function, which reads them, before `lower`, or pass the tensor as an argument",
    );
    // Begun at once: whoever holds the tensors may dispose them while a call is under way.
    this.reading = Promise.all(
      tensors.map(async ({ dataId, dtype }) => {
        const type = graphType(dtype, "a tensor from outside the traced function");
        constants.set(dataId, graphData((await tf.engine().read(dataId)) as Float32Array, type));
      }),
    );
    this.reading.catch(() => {}); // nobody may ask
  }
}

/** The numbers of a tensor; zeros, for a trace that is thrown away, where they cannot be read at once: it is `unread`. */
export function outsideNumbers(info: TensorInfo, type: GraphType, unread: TensorInfo[]): GraphData {
  const { dataId, shape, dtype } = info;
  const known = constants.get(dataId);
  if (known) return graphData(known, type);
  try {
    return graphData(tf.engine().readSync(dataId) as Float32Array, type);
  } catch (error) {
    if (refusalOf(dataId) !== undefined) throw error;
    if (!tf.engine().state.tensorInfo.has(dataId))
      throw new Error(
        `jit: a tensor from outside the traced function ([${shape}] ${dtype}) has been disposed`,
      );
    unread.push(info);
    return graphData(new Float32Array(tf.util.sizeFromShape(shape)), type);
  }
}
