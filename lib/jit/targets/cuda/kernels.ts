/** A plan's kernels as CUDA has them: functions, and the cells that their arguments are read from. */
import koffi from "koffi";
import type { Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { Launches, Part } from "../planned/device.ts";
import type { CudaDevice } from "./device.ts";
import { ENTRY } from "./language.ts";
import type { CudaBuffer } from "./memory.ts";

const CELL = 8;

/** A kernel that is ready to be run. */
interface Launch {
  readonly kernel: KernelBuilder;
  readonly values: readonly Value[];
  readonly run: bigint;
  /** Its arguments, one a cell: pointers, then sizes. */
  readonly cells: BigUint64Array;
  /** Where the cells lie, as the driver takes them. */
  readonly pointers: BigUint64Array;
}

export interface CudaLaunches extends Launches {
  readonly count: number;
  /** What the kernels are bound to, beside single numbers. */
  readonly values: readonly Value[];
  /** Gives all kernels to the stream, in order; `between` is called before each. */
  launch(placeOf: (value: Value) => bigint, scalars: bigint, between?: (kernel: KernelBuilder) => void): void;
  /** Graphs of all of them, by the addresses of what they are bound to. */
  readonly graphs: Map<string, { seen: number; graph?: bigint }>;
}

export const placeOf = ({ buffer, offset = 0 }: Part): bigint =>
  (buffer as CudaBuffer).pointer + BigInt(offset);

/** The function of a text, compiled once on a device. */
async function functionOf(
  device: CudaDevice,
  kernel: KernelBuilder,
  cache: boolean | string,
): Promise<bigint> {
  const { driver, kernels: functions } = device;
  const text = kernel.text();
  const compiled =
    functions.get(text) ??
    device.cubin(text, cache).then((code) => {
      device.enter();
      return driver.get("cuModuleGetFunction", driver.get("cuModuleLoadData", code), ENTRY);
    });
  functions.set(text, compiled);
  try {
    return await compiled;
  } catch (error) {
    functions.delete(text);
    throw new Error(
      `jit: the kernel ${kernel.label} could not be compiled: ${(error as Error).message}\n${text}`,
      { cause: error },
    );
  }
}

/** Memory that the driver reads; small arrays of JavaScript may be moved. */
const steady = (count: number): BigUint64Array =>
  new BigUint64Array(new ArrayBuffer(Math.max(count, 1) * CELL));

export async function compileKernels(
  device: CudaDevice,
  kernels: readonly KernelBuilder[],
  cache: boolean | string,
): Promise<CudaLaunches> {
  const { driver, stream } = device;
  const launches = await Promise.all(
    kernels.map(async (kernel): Promise<Launch> => {
      const { buffers, sizes, usesScalars } = kernel;
      const first = buffers.length + Number(usesScalars);
      const cells = steady(first + sizes.length);
      sizes.forEach((size, i) => {
        cells[first + i] = BigInt(size);
      });
      const start = koffi.address(cells);
      const pointers = steady(cells.length);
      for (const i of cells.keys()) pointers[i] = start + BigInt(i * CELL);
      return { kernel, values: buffers, run: await functionOf(device, kernel, cache), cells, pointers };
    }),
  );
  const graphs: CudaLaunches["graphs"] = new Map();
  return {
    count: launches.length,
    values: [...new Set(kernels.flatMap(({ buffers }) => buffers))],
    graphs,
    launch(placeOf, scalars, between) {
      for (const { kernel, values, run, cells, pointers } of launches) {
        const [x, y, z] = kernel.groups;
        if (x * y * z === 0) continue;
        values.forEach((value, i) => {
          cells[i] = placeOf(value);
        });
        if (kernel.usesScalars) cells[values.length] = scalars;
        between?.(kernel);
        driver.call("cuLaunchKernel", run, x, y, z, kernel.workgroup, 1, 1, 0, stream, pointers, null);
      }
    },
    release() {
      for (const { graph } of graphs.values()) if (graph) device.endGraph(graph);
      graphs.clear();
    },
  };
}
