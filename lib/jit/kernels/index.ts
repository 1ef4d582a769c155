import { convolutions } from "./conv.ts";
import { elementwise } from "./elementwise.ts";
import { fused } from "./fused.ts";
import type { KernelTable } from "./kernel.ts";
import { products } from "./matmul.ts";
import { pools } from "./pool.ts";
import { reductions } from "./reduce.ts";
import { resizing } from "./resize.ts";
import { shapes } from "./shape.ts";

/** Every tfjs kernel that can be traced, by name. */
export const kernels: KernelTable = {
  ...elementwise,
  ...reductions,
  ...shapes,
  ...products,
  ...convolutions,
  ...pools,
  ...resizing,
  ...fused,
};
