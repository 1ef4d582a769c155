/** Where compiled functions run. */
import type { Target } from "../program.ts";
import { cuda } from "./cuda/program.ts";
import { onnxruntime } from "./onnxruntime/program.ts";
import { webgpu } from "./webgpu/program.ts";

export type TargetName = "cpu" | "webgpu" | "cuda";
export const TARGETS: Readonly<Record<TargetName, Target>> = { cpu: onnxruntime, webgpu, cuda };

let current: TargetName = "cpu";

/** What functions run on that name no target, from their next call on. */
export const currentTarget = (): TargetName => current;
export function useTarget(name: TargetName): void {
  current = name;
}

/** @throws naming the targets there are */
export function targetOf(name: TargetName): Target {
  if (!Object.hasOwn(TARGETS, name))
    throw new Error(`jit: unknown target '${name}'; expected one of ${Object.keys(TARGETS).join(", ")}`);
  return TARGETS[name];
}
