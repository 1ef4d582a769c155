/** Opens Dawn (npm's `webgpu`, if it is there) with its experimental features. */
/// <reference types="@webgpu/types" />
const TOGGLES = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";

export interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}
interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: object;
}
let held: GPU | undefined; // Dawn stops when this object is collected

interface Info {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  readonly device: string;
  readonly subgroupMatrixConfigs?: Iterable<MatrixConfig>;
}

export async function openGpu(): Promise<{ adapter: GPUAdapter; info: Info; configs: MatrixConfig[] }> {
  const name = "webgpu";
  const { create, globals }: Dawn = await import(name);
  Object.assign(globalThis, globals);
  held ??= create([TOGGLES]);
  const adapter = await held.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("no WebGPU adapter");
  const { info } = adapter as unknown as { info: Info };
  const configs = [...(info.subgroupMatrixConfigs ?? [])].map((config) => ({
    componentType: config.componentType,
    resultComponentType: config.resultComponentType,
    M: config.M,
    N: config.N,
    K: config.K,
  }));
  return { adapter, info, configs };
}

/** A device with all that the adapter offers. */
export async function openDevice(adapter: GPUAdapter): Promise<{ device: GPUDevice; errors: string[] }> {
  const names = [
    "maxBufferSize",
    "maxStorageBufferBindingSize",
    "maxStorageBuffersPerShaderStage",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupStorageSize",
  ] as const;
  const device = await adapter.requestDevice({
    requiredFeatures: [...adapter.features] as GPUFeatureName[],
    requiredLimits: Object.fromEntries(names.map((name) => [name, adapter.limits[name]])),
  });
  const errors: string[] = [];
  device.addEventListener("uncapturederror", (event) =>
    errors.push((event as GPUUncapturedErrorEvent).error.message.slice(0, 400)),
  );
  return { device, errors };
}
