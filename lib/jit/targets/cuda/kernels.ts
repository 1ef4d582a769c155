/** A plan's kernels as CUDA has them: functions, and the cells that their arguments are read from. */
import type { Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { Launches, Part } from "../planned/device.ts";
import type { CudaDevice } from "./device.ts";
import { readyFunction } from "./functions.ts";
import type { CudaBuffer } from "./memory.ts";
import { productLaunch } from "./product-launch.ts";

/** A kernel that is ready to be run. */
export interface Launch {
  readonly kernel: KernelBuilder;
  /** Gives it to the stream, on the memory of its values and of single numbers. */
  launch(placeOf: (value: Value) => bigint, scalars: bigint): void;
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

/** A planned kernel, or one of the device's own. */
async function kernelLaunch(
  device: CudaDevice,
  kernel: KernelBuilder,
  cache: boolean | string,
): Promise<Launch> {
  const { buffers, sizes, usesScalars, label } = kernel;
  const first = buffers.length + Number(usesScalars);
  const count = first + sizes.length;
  const { cells, launch } = await readyFunction(device, { text: kernel.text(), label, count }, kernel, cache);
  // Pointers, then sizes.
  sizes.forEach((size, i) => {
    cells[first + i] = BigInt(size);
  });
  return {
    kernel,
    launch(placeOf, scalars) {
      buffers.forEach((value, i) => {
        cells[i] = placeOf(value);
      });
      if (usesScalars) cells[buffers.length] = scalars;
      launch();
    },
  };
}

export async function compileKernels(
  device: CudaDevice,
  kernels: readonly KernelBuilder[],
  cache: boolean | string,
): Promise<CudaLaunches> {
  const launches = await Promise.all(
    kernels.map((kernel) =>
      kernel.call ? productLaunch(device, kernel, cache) : kernelLaunch(device, kernel, cache),
    ),
  );
  const graphs: CudaLaunches["graphs"] = new Map();
  return {
    count: launches.length,
    values: [...new Set(kernels.flatMap(({ buffers }) => buffers))],
    graphs,
    launch(placeOf, scalars, between) {
      for (const { kernel, launch } of launches) {
        between?.(kernel);
        launch(placeOf, scalars);
      }
    },
    release() {
      for (const { graph } of graphs.values()) if (graph) device.endGraph(graph);
      graphs.clear();
    },
  };
}
