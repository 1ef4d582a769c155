/** A GPU through WebGPU: Dawn, in the package `webgpu`. */

import { installCommand } from "../../../package.ts";
import { SIMPLE, SOME_GPU } from "../../plan/forms.ts";
import type { Device } from "../planned/device.ts";
import { tuningOf } from "../planned/tuning.ts";
import { attempt, beginWork, readBuffers } from "./buffers.ts";
import {
  type AdapterInfo,
  type GPU,
  type GPUBuffer,
  type GPUDevice,
  USAGE,
  VISIBLE_TO_COMPUTE,
} from "./gpu.ts";
import { compileKernels } from "./kernels.ts";
import { MATRICES, matricesOf } from "./matrices.ts";
import { WGSL } from "./wgsl.ts";

export interface WebGPUDevice extends Device {
  readonly gpu: GPUDevice;
  readonly info: AdapterInfo;
  /** What its adapter can do, asked for or not. */
  readonly features: ReadonlySet<string>;
  /** Whether a processor plays it. */
  readonly isSoftware: boolean;
  /** The GPU it is of, and the classes and numbers that WebGPU has on the global object of browsers. */
  readonly dawn: { readonly gpu: GPU; readonly globals: Readonly<Record<string, unknown>> };
  /** What it has refused since somebody was told. */
  fault?: { message: string; made: number };
  /** The layout of kernels of so many arrays. */
  layout(buffers: number, hasSizes: boolean): object;
  allocate(bytes: number): GPUBuffer;
  /** Compiled kernels by their text. */
  readonly kernels: Map<string, Promise<object>>;
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
const FEATURES = [HALF, "timestamp-query", "subgroups", MATRICES];

interface Dawn {
  create(options: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/**
 * NVIDIA's driver has numbers of 16 bits only when asked, and matrices are an experiment that counts as unsafe; clocks are
 * rounded to 65 microseconds unless told otherwise.
 */
const OPTIONS = [
  "enable-dawn-features=vulkan_enable_f16_on_nvidia,allow_unsafe_apis",
  "disable-dawn-features=timestamp_quantization",
];

/** Dawn stops when the object that it was made with is collected. */
let held: WebGPUDevice["dawn"] | undefined;

async function openGPU(): Promise<WebGPUDevice["dawn"]> {
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

let opened: Promise<WebGPUDevice> | undefined;

/** The device that compiled functions share; opened when it is first asked for. */
export function openDevice(): Promise<WebGPUDevice> {
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

async function open(): Promise<WebGPUDevice> {
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
  const matrices = matricesOf(adapter, limits.maxComputeWorkgroupStorageSize);
  const { vendor, architecture, description } = info;
  const isSoftware = isPlayed(info);
  const device: WebGPUDevice = {
    language: WGSL,
    gpu,
    info,
    features,
    isSoftware,
    dawn,
    maxBuffers: limits.maxStorageBuffersPerShaderStage,
    alignment: limits.minStorageBufferOffsetAlignment,
    // A processor that plays a GPU compiles small kernels in a fraction of the time, and has no use for large tiles.
    products: isSoftware ? SIMPLE : { ...SOME_GPU, workgroupMemory: limits.maxComputeWorkgroupStorageSize },
    matrices: matrices ? [matrices] : [],
    tuning: tuningOf(JSON.stringify([vendor, architecture, info.device, description])),
    hasClock: features.has("timestamp-query"),
    hasHalf: features.has(HALF),
    maxBinding: limits.maxStorageBufferBindingSize,
    description: [vendor, architecture, description].filter(Boolean).join(" ") || "unnamed adapter",
    identity: JSON.stringify([vendor, architecture, description, info.device]),
    layout(buffers, hasSizes) {
      const key = `${buffers} ${hasSizes}`;
      const entries = Array.from({ length: buffers }, (_, i) => ({
        binding: i + 1,
        visibility: VISIBLE_TO_COMPUTE,
        buffer: { type: "storage" },
      }));
      const sizes = { binding: 0, visibility: VISIBLE_TO_COMPUTE, buffer: { type: "uniform" } };
      const layout =
        layouts.get(key) ?? gpu.createBindGroupLayout({ entries: hasSizes ? [sizes, ...entries] : entries });
      layouts.set(key, layout);
      return layout;
    },
    allocate: (bytes) =>
      gpu.createBuffer({ size: bytes, usage: USAGE.storage | USAGE.copySource | USAGE.copyTarget }),
    compile: (kernels) => compileKernels(device, kernels),
    begin: () => beginWork(device),
    read: (parts) => readBuffers(device, parts),
    done: () => gpu.queue.onSubmittedWorkDone(),
    attempt: (refusals, body) => attempt(device, refusals, body),
    throwFault(made) {
      const { fault } = device;
      if (fault && made <= fault.made)
        throw new Error(
          `the GPU refused an operation, and what had been computed by then may be wrong: ${fault.message}; compute it again without that`,
        );
    },
    kernels: new Map(),
    made: 0,
  };
  // Nobody waits for what is found wrong with work: who reads an array that was made before is told, instead of getting
  // numbers that may be wrong.
  gpu.addEventListener("uncapturederror", (event) => {
    event.preventDefault?.();
    device.fault = { message: event.error.message.trim(), made: device.made };
  });
  void gpu.lost.then(({ reason, message }) => {
    device.loss = message || reason;
    opened = undefined;
    lost++;
  });
  return device;
}
