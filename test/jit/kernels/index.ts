/** The cases of every kernel, by its name. */
import { type Cases, elementwise } from "./elementwise.ts";
import { imageKernels } from "./images.ts";
import { indexing } from "./indexing.ts";
import { products } from "./products.ts";
import { reduce } from "./reduce.ts";
import { shape } from "./shape.ts";

export const allKernels: Record<string, Cases> = {
  ...elementwise,
  ...reduce,
  ...shape,
  ...indexing,
  ...products,
  ...imageKernels,
};
