/** tfjs's WebGPU backend, loaded without the global names that it expects of a browser. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { compileFunction } from "node:vm";
import type { GPUBuffer, GPUDevice } from "../jit/targets/webgpu/gpu.ts";
import { type DataType, tf } from "../tensor/tf.ts";
import { fileOf } from "./packages.ts";

export const TFJS_WEBGPU = "@tensorflow/tfjs-backend-webgpu";

/** What it keeps of a tensor. */
export interface TensorData {
  /** Of the numbers as they lie there; a tensor that was cast without loss has another. */
  dtype: DataType;
  shape: number[];
  values: Float32Array | Int32Array | Uint8Array | null;
  refCount: number;
  resource?: GPUBuffer | null;
  /** Whether the resource is another's to free. */
  external?: boolean;
}

/** One of its kernels' programs. */
export interface WebGPUProgram {
  /** By which a compiled program is found again. */
  shaderKey: string;
  getUserCode(): string;
}

/** What is used of it, inside too: it has no interface for buffers that come and go without a copy. */
export interface WebGPUBackend extends InstanceType<typeof tf.KernelBackend> {
  tensorMap: InstanceType<typeof tf.DataStorage<TensorData>>;
  /** Work that is recorded and not yet submitted. */
  readonly commandEncoder: object | null;
  readonly device: GPUDevice;
  /** Its buffers, those in use and those that wait for another use. */
  readonly bufferManager: {
    readonly numBytesAllocated: number;
    readonly numBytesUsed: number;
    /** @param reuse whether it waits for another use; else it is destroyed */
    releaseBuffer(buffer: GPUBuffer, reuse?: boolean): void;
  };
  endComputePassEncoder(): void;
  submitQueue(): void;
  uploadToGPU(dataId: object): void;
  releaseResource(dataId: object): void;
  /** Records a program; what follows it are its inputs, the type of its results, and more. */
  runWebGPUProgram(
    program: WebGPUProgram,
    ...rest: unknown[]
  ): { dataId: object; shape: number[]; dtype: DataType };
}
type WebGPUBackendClass = new (gpu: GPUDevice, info: object) => WebGPUBackend;

/** By the names that it was loaded with. */
const loaded = new WeakMap<object, WebGPUBackendClass>();

/**
 * The class of the backend, and its kernels registered. The package reads WebGPU's names (`GPUBufferUsage`, `GPUBuffer`,
 * `navigator`) from the global object, so its file gets them as its own: Node's global object stays as it is.
 * @param globals the names and what they are
 * @throws naming the package where it is missing
 */
export function webgpuBackendClass(
  gpu: object,
  globals: Readonly<Record<string, unknown>>,
): WebGPUBackendClass {
  const known = loaded.get(globals);
  if (known) return known;
  const file = fileOf(TFJS_WEBGPU);
  if (file === undefined) throw new Error(`the package ${TFJS_WEBGPU} is not installed`);
  const module: { exports: { WebGPUBackend?: WebGPUBackendClass } } = { exports: {} };
  const navigator = { gpu };
  // A GPU in sight while it loads would make it register a backend on a device of its own.
  const browser: { navigator?: object } = {};
  const names = {
    ...globals,
    navigator,
    globalThis: browser,
    require: createRequire(file),
    module,
    exports: module.exports,
  };
  const run = compileFunction(readFileSync(file, "utf8"), Object.keys(names), { filename: file });
  run(...Object.values(names));
  browser.navigator = navigator;
  const { WebGPUBackend } = module.exports;
  if (!WebGPUBackend)
    throw new Error(`${TFJS_WEBGPU} has no WebGPUBackend; expected version ${tf.version_core}`);
  loaded.set(globals, WebGPUBackend);
  return WebGPUBackend;
}
