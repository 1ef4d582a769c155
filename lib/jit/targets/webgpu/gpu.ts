/** WebGPU as Dawn's package has it. */
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
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
}
/** What people call it. */
export const nameOf = ({ device, architecture, vendor }: AdapterInfo): string =>
  device.replaceAll("-", " ").trim() || architecture || vendor || "unnamed GPU";

export interface GPUAdapter {
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
/** And for how it is mapped. */
export const MAP_READ = 1;
/** And for which kernels see a binding. */
export const VISIBLE_TO_COMPUTE = 4;
