/** What a GPU does for a plan: the part that its interfaces, WebGPU and CUDA, have in common. */
import { DeviceLostError } from "../../device-lost.ts";
import type { Value } from "../../graph.ts";
import type { KernelBuilder } from "../../plan/builder.ts";
import type { MatrixShape, ProductDevice } from "../../plan/forms.ts";
import type { Language } from "../../plan/language.ts";
import type { Tuning } from "./tuning.ts";

/** Memory of a device. Its work comes in order: what was submitted before still reads what is destroyed. */
export interface DeviceBuffer {
  /** Bytes. */
  readonly size: number;
  destroy(): void;
}

/** A part of a buffer, as a kernel binds it; without a size, all that follows. */
export interface Part {
  readonly buffer: DeviceBuffer;
  readonly offset?: number;
  readonly size?: number;
}

/** A part of a buffer that is read. */
export interface Piece {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** What a device may refuse. */
export type Refusal = "validation" | "out-of-memory";

/** How long a kernel took. */
export interface KernelTime {
  readonly kernel: KernelBuilder;
  readonly seconds: number;
}

/** Collects how long kernels take, by the clock of the device. */
export interface Timer {
  add(reading: () => Promise<KernelTime[]>): void;
  /** Of the kernels since the last time. */
  read(): Promise<KernelTime[]>;
}

export function newTimer({ hasClock, description }: Pick<Device, "hasClock" | "description">): Timer {
  if (!hasClock) throw new Error(`profile: the GPU (${description}) does not tell the time of its kernels`);
  let readings: (() => Promise<KernelTime[]>)[] = [];
  return {
    add: (reading) => void readings.push(reading),
    async read() {
      const all = readings;
      readings = [];
      const times: KernelTime[] = [];
      for (const reading of all) times.push(...(await reading()));
      return times;
    },
  };
}

/** The kernels of a plan, compiled. */
export interface Launches {
  release(): void;
}

/** Work that a device does in order, once it is submitted. */
export interface Work {
  /** Numbers of the host; they are taken at once. */
  write(to: DeviceBuffer, offset: number, data: ArrayBufferView): void;
  copy(from: DeviceBuffer, at: number, to: DeviceBuffer, offset: number, bytes: number): void;
  /** Kernels in their order, on the memory that their values have. */
  run(launches: Launches, memoryOf: (value: Value) => Part, scalars: Part, timer?: Timer): void;
  submit(): void;
}

export interface Device {
  /** In which kernels are written for it. */
  readonly language: Language;
  /** Arrays that a kernel may bind. */
  readonly maxBuffers: number;
  /** What a buffer's part begins at a multiple of. */
  readonly alignment: number;
  /** Bytes that a buffer may have. */
  readonly maxBinding: number;
  /** How products are computed on it. */
  readonly products: ProductDevice;
  /** Which forms of products have been measured to be the fastest. */
  readonly tuning: Tuning;
  /** Matrices of 16 bits that its subgroups multiply at once. */
  readonly matrices: readonly MatrixShape[];
  /** Whether it has numbers of 16 bits in memory. */
  readonly hasHalf: boolean;
  /** Whether it tells how long kernels take. */
  readonly hasClock: boolean;
  /** Vendor, architecture and driver, as far as they are known. */
  readonly description: string;
  /** What its measurements hold for. */
  readonly identity: string;
  /** Why it is gone, once it is. */
  loss?: string;
  /** Compiled kernels by their text. */
  readonly kernels: ReadonlyMap<string, unknown>;
  /** Arrays that have been made on it. */
  made: number;
  /** Memory for storage of so many bytes. */
  allocate(bytes: number): DeviceBuffer;
  /** Compiles kernels, with what is kept on disk as `cache` of `jit` says. Equal texts are one, in whatever program. */
  compile(kernels: readonly KernelBuilder[], cache: boolean | string): Promise<Launches>;
  begin(): Work;
  /** A copy of parts of buffers, one behind the other, once the work before is done. */
  read(parts: readonly Piece[]): Promise<ArrayBuffer>;
  /** The same, with the process waiting for it; not every interface lets it. */
  readonly readNow?: (parts: readonly Piece[]) => ArrayBuffer;
  /** Ends when all work that has been submitted is done. */
  done(): Promise<void>;
  /**
   * Does something, and says what the device refused of it: that is nobody else's error. Devices that know at once throw
   * it.
   */
  attempt<T>(refusals: readonly Refusal[], body: () => T): Promise<{ value: T; refused?: string }>;
  /** @throws what it has refused, of an array that had been made by then: it may be wrong */
  throwFault(made: number): void;
}

/** What to say of something on a device that is gone. */
export const lossError = (
  what: string,
  { description, loss }: Pick<Device, "description" | "loss">,
): DeviceLostError =>
  new DeviceLostError(`${what} is gone: the GPU it lay on (${description}) was lost: ${loss?.trim()}`);
