/** Which matrices the subgroups of a GPU multiply at once. */
import { type MatrixShape, matrixForms, memoryOf } from "../../plan/forms.ts";
import type { GPUAdapter } from "./gpu.ts";

/** Chromium's feature, still an experiment. */
export const MATRICES = "chromium-experimental-subgroup-matrix";

/**
 * Float16 matrices with sums of float32, where subgroups are of one size, a workgroup's threads being dealt to them in the
 * order of their numbers, and where a workgroup has the memory for some form of a product.
 */
export function matricesOf({ features, info }: GPUAdapter, workgroupMemory: number): MatrixShape | undefined {
  const { subgroupMinSize: least, subgroupMaxSize: most, subgroupMatrixConfigs = [] } = info;
  if (!features.has(MATRICES) || !features.has("shader-f16") || !features.has("subgroups")) return undefined;
  if (least === undefined || least !== most) return undefined;
  const found = [...subgroupMatrixConfigs].filter(
    ({ componentType, resultComponentType, M, N, K }) =>
      // Tiles are multiples of these.
      componentType === "f16" &&
      resultComponentType === "f32" &&
      32 % M === 0 &&
      32 % N === 0 &&
      32 % K === 0,
  );
  const sizeOf = ({ M, N, K }: { M: number; N: number; K: number }): number => M * N * K;
  const [largest] = found.sort((a, b) => sizeOf(b) - sizeOf(a));
  if (!largest) return undefined;
  const shape = { format: "float16" as const, M: largest.M, N: largest.N, K: largest.K, threads: least };
  return matrixForms(shape).some((form) => memoryOf(form) <= workgroupMemory) ? shape : undefined;
}
