/** A GPU through WebGPU: Dawn, in the package `webgpu`. */

import { installCommand } from "../../../package.ts";
import type { DeviceArray } from "../../buffers.ts";
import { DeviceLostError } from "../../device-lost.ts";
import { type GraphData, type GraphType, graphData } from "../../element-types.ts";
import { type ProductDevice, SIMPLE, SOME_GPU } from "../../plan/forms.ts";
import type { StorageFormat } from "../../plan/storage.ts";

/** What this library asks of a device: the part of WebGPU's interface that is used, without its types' package. */
export interface GPU {
  requestAdapter(options?: object): Promise<GPUAdapter | null>;
}
/** What a driver says of its GPU. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  readonly isFallbackAdapter?: boolean;
}
interface GPUAdapter {
  readonly limits: Record<string, number>;
  readonly features: ReadonlySet<string>;
  readonly info: AdapterInfo;
  requestDevice(options: object): Promise<GPUDevice>;
}
export interface GPUBuffer {
  readonly size: number;
  destroy(): void;
  mapAsync(mode: number): Promise<void>;
  getMappedRange(): ArrayBuffer;
  unmap(): void;
}
export interface GPUDevice {
  readonly queue: {
    submit(buffers: object[]): void;
    writeBuffer(
      buffer: GPUBuffer,
      offset: number,
      data: ArrayBufferView,
      start?: number,
      size?: number,
    ): void;
    onSubmittedWorkDone(): Promise<void>;
  };
  readonly limits: Record<string, number>;
  readonly lost: Promise<{ reason: string; message: string }>;
  createBuffer(options: { size: number; usage: number }): GPUBuffer;
  createBindGroupLayout(options: object): object;
  createPipelineLayout(options: object): object;
  createShaderModule(options: { code: string }): object;
  createQuerySet(options: object): GPUQuerySet;
  createComputePipelineAsync(options: object): Promise<object>;
  createBindGroup(options: object): object;
  createCommandEncoder(): GPUCommandEncoder;
  addEventListener(
    name: "uncapturederror",
    listener: (event: { error: { message: string }; preventDefault?(): void }) => void,
  ): void;
  pushErrorScope(filter: string): void;
  popErrorScope(): Promise<{ message: string } | null>;
  destroy(): void;
}
export interface GPUComputePass {
  setPipeline(pipeline: object): void;
  setBindGroup(index: number, group: object): void;
  dispatchWorkgroups(x: number, y: number, z: number): void;
  end(): void;
}
export interface GPUQuerySet {
  destroy(): void;
}
export interface GPUCommandEncoder {
  beginComputePass(options?: object): GPUComputePass;
  resolveQuerySet(set: GPUQuerySet, first: number, count: number, to: GPUBuffer, offset: number): void;
  copyBufferToBuffer(from: GPUBuffer, at: number, to: GPUBuffer, offset: number, size: number): void;
  finish(): object;
}

/** WebGPU's numbers for what a buffer is used for. */
export const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const;
const READ = 1;
const COMPUTE = 4;

export interface Device {
  readonly gpu: GPUDevice;
  /** Arrays that a kernel may bind. */
  readonly maxBuffers: number;
  /** What a buffer's part in a binding begins at a multiple of. */
  readonly alignment: { readonly storage: number; readonly uniform: number };
  readonly maxBinding: number;
  /** How products are computed on it. */
  readonly products: ProductDevice;
  /** How programs that are compiled from now on store what lies between their kernels. */
  storage: StorageFormat;
  /** Whether it has numbers of 16 bits in memory. */
  readonly hasHalf: boolean;
  /** Vendor, architecture and driver, as far as they are known. */
  readonly description: string;
  readonly info: AdapterInfo;
  /** What its adapter can do, asked for or not. */
  readonly features: ReadonlySet<string>;
  /** Whether a processor plays it. */
  readonly isSoftware: boolean;
  /** The GPU it is of, and the classes and numbers that WebGPU has on the global object of browsers. */
  readonly dawn: { readonly gpu: GPU; readonly globals: Readonly<Record<string, unknown>> };
  /** Why it is gone, once it is. */
  loss?: string;
  /** What it has refused since somebody was told. */
  fault?: string;
  /** The layout of kernels of so many arrays. */
  layout(buffers: number, hasSizes: boolean): object;
  /** Memory for storage of so many bytes. */
  allocate(bytes: number): GPUBuffer;
  /** Compiled kernels by their text. */
  readonly pipelines: Map<string, Promise<object>>;
}

/** Limits that are asked for as the adapter has them. */
const LIMITS = [
  "maxStorageBuffersPerShaderStage",
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupSizeX",
];

/** WebGPU's name for numbers of 16 bits. */
const HALF = "shader-f16";
/** Features that are asked for where there are. */
const FEATURES = [HALF, "timestamp-query"];

interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** NVIDIA's driver has numbers of 16 bits only when asked; clocks are rounded to 65 microseconds unless told otherwise. */
const OPTIONS = [
  "enable-dawn-features=vulkan_enable_f16_on_nvidia",
  "disable-dawn-features=timestamp_quantization",
];

/** Dawn stops when the object that it was made with is collected. */
let held: Device["dawn"] | undefined;

async function openGPU(): Promise<Device["dawn"]> {
  if (held) return held;
  let dawn: Dawn;
  try {
    dawn = (await import("webgpu" as string)) as Dawn;
  } catch (error) {
    throw new Error(
      `jit: WebGPU needs the package webgpu, which could not be loaded (${(error as Error).message.split("\n")[0]}); install it with: ${installCommand(["webgpu", "@tensorflow/tfjs-backend-webgpu"])}`,
    );
  }
  held = { gpu: dawn.create(OPTIONS), globals: dawn.globals };
  return held;
}

/** Whether a processor plays a GPU. Drivers do not always say so. */
const isPlayed = ({ isFallbackAdapter, architecture, device, description }: AdapterInfo): boolean =>
  isFallbackAdapter === true ||
  /llvmpipe|lavapipe|swiftshader|\bwarp\b|basic render|software/i.test(
    `${architecture} ${device} ${description}`,
  );

let opened: Promise<Device> | undefined;

/** The device that compiled functions share; opened when it is first asked for. */
export function openDevice(): Promise<Device> {
  opened ??= open();
  opened.catch(() => {
    opened = undefined;
  });
  return opened;
}

/** How the error of a machine without a GPU says so. */
export const NO_GPU = "no GPU was found that WebGPU can use";

let lost = 0;
/** How many devices have been lost so far: a program is of one, and of no use behind its loss. */
export const devicesLost = (): number => lost;

async function open(): Promise<Device> {
  const dawn = await openGPU();
  const adapter = await dawn.gpu.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new Error(
      `jit: ${NO_GPU}; expected one with a driver for Vulkan, Metal or D3D12, and 'npx ditlab devices' says what is missing`,
    );
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const requiredFeatures = FEATURES.filter((name) => adapter.features.has(name));
  const gpu = await adapter.requestDevice({ requiredLimits, requiredFeatures });
  const { limits } = gpu;
  const layouts = new Map<string, object>();
  const { info, features } = adapter;
  const { vendor, architecture, description } = info;
  const isSoftware = isPlayed(info);
  const device: Device = {
    gpu,
    info,
    features,
    isSoftware,
    dawn,
    maxBuffers: limits.maxStorageBuffersPerShaderStage,
    alignment: {
      storage: limits.minStorageBufferOffsetAlignment,
      uniform: limits.minUniformBufferOffsetAlignment,
    },
    // A processor that plays a GPU compiles small kernels in a fraction of the time, and has no use for large tiles.
    products: isSoftware ? SIMPLE : SOME_GPU,
    storage: "float32",
    hasHalf: features.has(HALF),
    maxBinding: limits.maxStorageBufferBindingSize,
    description: [vendor, architecture, description].filter(Boolean).join(" ") || "unnamed adapter",
    layout(buffers, hasSizes) {
      const key = `${buffers} ${hasSizes}`;
      const entries = Array.from({ length: buffers }, (_, i) => ({
        binding: i + 1,
        visibility: COMPUTE,
        buffer: { type: "storage" },
      }));
      const sizes = { binding: 0, visibility: COMPUTE, buffer: { type: "uniform" } };
      const layout =
        layouts.get(key) ?? gpu.createBindGroupLayout({ entries: hasSizes ? [sizes, ...entries] : entries });
      layouts.set(key, layout);
      return layout;
    },
    allocate: (bytes) =>
      gpu.createBuffer({ size: bytes, usage: USAGE.storage | USAGE.copySource | USAGE.copyTarget }),
    pipelines: new Map(),
  };
  // Nobody waits for what is found wrong with work: the next to read numbers is told, instead of getting wrong ones.
  gpu.addEventListener("uncapturederror", (event) => {
    event.preventDefault?.();
    device.fault ??= event.error.message;
  });
  void gpu.lost.then(({ reason, message }) => {
    device.loss = message || reason;
    opened = undefined;
    lost++;
  });
  return device;
}

/** @throws what the GPU has refused before, once. */
export function throwFault(device: Device): void {
  const { fault } = device;
  if (fault === undefined) return;
  device.fault = undefined;
  throw new Error(`the GPU refused an operation, and results since may be wrong: ${fault.trim()}`);
}

/** What to say of something on a device that is gone. */
export const lossError = (what: string, { description, loss }: Device): DeviceLostError =>
  new DeviceLostError(`${what} is gone: the GPU it lay on (${description}) was lost: ${loss?.trim()}`);

/**
 * Stores what lies between the kernels of programs that are compiled from now on in a format, and says which it is: float32
 * where the device has no numbers of 16 bits. Arguments, results and sums stay float32.
 */
export async function useStorage(format: StorageFormat): Promise<StorageFormat> {
  const device = await openDevice();
  device.storage = device.hasHalf ? format : "float32";
  return device.storage;
}

/** Bytes that an array of so many numbers takes: each has four. */
export const bytesFor = (count: number): number => Math.max(4, count * 4);

/** Numbers as they lie on the device: of 32 bits each. */
export function packed(data: GraphData): Float32Array | Int32Array | Uint32Array {
  if (data instanceof Float32Array || data instanceof Int32Array) return data;
  if (data instanceof Uint8Array) return Uint32Array.from(data);
  if (data instanceof Float64Array) return Float32Array.from(data);
  return Int32Array.from(data, Number);
}

/** Reads parts of buffers, once the work before is done. */
export async function readBuffers(
  device: Device,
  parts: readonly { buffer: GPUBuffer; offset: number; bytes: number }[],
): Promise<ArrayBuffer> {
  const { gpu } = device;
  if (device.loss !== undefined) throw lossError("the tensor", device);
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const staging = gpu.createBuffer({ size: total, usage: USAGE.mapRead | USAGE.copyTarget });
  const encoder = gpu.createCommandEncoder();
  let at = 0;
  for (const { buffer, offset, bytes } of parts) {
    encoder.copyBufferToBuffer(buffer, offset, staging, at, bytes);
    at += bytes;
  }
  gpu.queue.submit([encoder.finish()]);
  try {
    await staging.mapAsync(READ);
  } catch (error) {
    // The loss is told behind what failed by it.
    await Promise.race([gpu.lost, new Promise((resolve) => setTimeout(resolve, 100))]);
    throw device.loss === undefined ? error : lossError("the tensor", device);
  }
  throwFault(device);
  const copy = staging.getMappedRange().slice(0);
  staging.destroy();
  return copy;
}

/** How many use a buffer: tensors, and calls under way. */
const users = new WeakMap<GPUBuffer, number>();

/** An array of a device, which a tensor may hold. */
export function deviceArray(device: Device, buffer: GPUBuffer, count: number, dtype: GraphType): DeviceArray {
  return {
    handle: buffer,
    device,
    get users() {
      return users.get(buffer) ?? 0;
    },
    async read() {
      const bytes = await readBuffers(device, [{ buffer, offset: 0, bytes: bytesFor(count) }]);
      if (dtype === "float32") return new Float32Array(bytes, 0, count);
      const integers = new Int32Array(bytes, 0, count);
      return dtype === "bool" ? graphData(integers, "bool") : integers;
    },
    retain: () => void users.set(buffer, (users.get(buffer) ?? 0) + 1),
    release() {
      const left = (users.get(buffer) ?? 1) - 1;
      users.set(buffer, left);
      if (left === 0) buffer.destroy();
    },
  };
}
