/** A plan's kernels as CUDA has them: functions, and the cells that their arguments are read from. */
import koffi from "koffi";
import type { Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { ProductCall } from "../../plan/library.ts";
import type { Launches, Part } from "../planned/device.ts";
import type { MatrixType } from "./cublaslt.ts";
import type { CudaDevice } from "./device.ts";
import { ENTRY } from "./language.ts";
import type { CudaBuffer } from "./memory.ts";

const CELL = 8;
/** Bytes of memory that a block has without being asked for, and the driver's number for asking. */
const GIVEN_MEMORY = 48 << 10;
const MOST_DYNAMIC_MEMORY = 8;

/** A kernel that is ready to be run. */
interface Launch {
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

async function kernelLaunch(
  device: CudaDevice,
  kernel: KernelBuilder,
  cache: boolean | string,
): Promise<Launch> {
  const { driver, stream } = device;
  const { buffers, sizes, usesScalars, workgroup, sharedBytes } = kernel;
  const first = buffers.length + Number(usesScalars);
  // Its arguments, one a cell: pointers, then sizes; and where the cells lie, as the driver takes them.
  const cells = steady(first + sizes.length);
  sizes.forEach((size, i) => {
    cells[first + i] = BigInt(size);
  });
  const start = koffi.address(cells);
  const pointers = steady(cells.length);
  for (const i of cells.keys()) pointers[i] = start + BigInt(i * CELL);
  const run = await functionOf(device, kernel, cache);
  if (sharedBytes > GIVEN_MEMORY) driver.call("cuFuncSetAttribute", run, MOST_DYNAMIC_MEMORY, sharedBytes);
  const [x, y, z] = kernel.groups;
  return {
    kernel,
    launch(placeOf, scalars) {
      if (x * y * z === 0) return;
      buffers.forEach((value, i) => {
        cells[i] = placeOf(value);
      });
      if (usesScalars) cells[buffers.length] = scalars;
      driver.call("cuLaunchKernel", run, x, y, z, workgroup, 1, 1, sharedBytes, stream, pointers, null);
    },
  };
}

/** A product of the library. */
async function productLaunch(
  { shelf }: CudaDevice,
  kernel: KernelBuilder,
  { a, b, out, size, alpha, epilogue }: ProductCall,
  cache: boolean | string,
): Promise<Launch> {
  const { narrow } = kernel.placement;
  const typeOf = (value: Value): MatrixType => (narrow?.values.has(value) ? narrow.format : "float32");
  const factors = typeOf(a);
  const precision = factors === "float32" ? kernel.style.library! : "float32";
  const kind = { ...size, alpha, factors, precision, out: typeOf(out), epilogue: epilogue?.kind };
  const product = await shelf!.get(kind, cache);
  const { vector, argument } = epilogue ?? {};
  return {
    kernel,
    launch: (placeOf) =>
      product.run({
        ...{ a: placeOf(a), b: placeOf(b), out: placeOf(out) },
        ...(vector && { vector: placeOf(vector) }),
        ...(argument && { argument: placeOf(argument) }),
      }),
  };
}

export async function compileKernels(
  device: CudaDevice,
  kernels: readonly KernelBuilder[],
  cache: boolean | string,
): Promise<CudaLaunches> {
  const launches = await Promise.all(
    kernels.map((kernel) =>
      kernel.call ? productLaunch(device, kernel, kernel.call, cache) : kernelLaunch(device, kernel, cache),
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
