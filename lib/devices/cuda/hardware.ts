/** What a GPU is by CUDA, and what compiles and multiplies for it. */
import { readFileSync } from "node:fs";
import type { CudaDevice } from "../../jit/targets/cuda/device.ts";
import { SETUP, versionText } from "../../jit/targets/cuda/libraries.ts";
import { changedPart, readManifest } from "../../jit/targets/cuda/manifest.ts";
import { openCompiler } from "../../jit/targets/cuda/nvrtc.ts";
import type { Findings, Hardware } from "../findings.ts";
import type { Hint } from "./sight.ts";

/** The driver's own version, `580.159.04`, as Linux shows it. */
function releaseOf(): string | undefined {
  try {
    return /\b(\d{3}\.\d+(\.\d+)?)\b/.exec(readFileSync("/proc/driver/nvidia/version", "utf8"))?.[1];
  } catch {
    return undefined;
  }
}

const SHORT = { bfloat16: "bf16", float16: "f16" } as const;

export function cudaHardware(device: CudaDevice): Hardware {
  const { name, isSoftware, architecture, memory, matrices, driver } = device;
  const release = isSoftware ? undefined : releaseOf();
  return {
    name,
    isSoftware,
    driver: `${release === undefined ? "" : `NVIDIA: ${release}, `}CUDA ${versionText(driver.version)}`,
    memory,
    features: [
      architecture,
      ...matrices.map(({ format, M, N, K }) => `matrices-${SHORT[format]}-${M}x${N}x${K}`),
    ],
  };
}

/** A version of cuBLASLt, which counts 13.1.2 as 130102. */
export const productsVersion = (version: number): string =>
  [Math.floor(version / 10_000), Math.floor(version / 100) % 100, version % 100].join(".");

/** The libraries in use, and what would make it faster. */
export function cudaRuntime(device: CudaDevice): Pick<Findings, "runtime" | "problem" | "fix"> {
  const compiler = `NVRTC ${openCompiler(device.driver.version).version}`;
  if (device.productsVersion !== undefined)
    return { runtime: `${compiler}, cuBLASLt ${productsVersion(device.productsVersion)}` };
  return {
    runtime: compiler,
    problem: "it works, but products are slower than they could be, as libcublasLt is missing",
    fix: SETUP,
  };
}

/** What was set up and is no longer the same, to the byte; takes a second. */
export async function changedSetup(): Promise<Hint | undefined> {
  try {
    const manifest = readManifest();
    const problem = manifest && (await changedPart(manifest));
    return problem === undefined ? undefined : { problem, fix: SETUP };
  } catch (error) {
    return { problem: (error as Error).message, fix: SETUP };
  }
}
