/** ditlab: diffusion transformers that teach themselves. Every folder can also be imported by itself: `ditlab/samplers`. */
export * from "./align/index.ts";
export * from "./data/index.ts";
export * from "./devices/index.ts";
export * from "./diffusion/index.ts";
export * from "./experiments/index.ts";
export * from "./io/index.ts";
export * from "./jit/index.ts";
export * from "./metrics/index.ts";
export * from "./models/index.ts";
export * from "./nn/index.ts";
export * from "./optim/index.ts";
export * from "./pipeline/index.ts";
export * from "./probe/index.ts";
export * from "./samplers/index.ts";
export * from "./tensor/index.ts";
export * from "./train/index.ts";
export * from "./vae/index.ts";
