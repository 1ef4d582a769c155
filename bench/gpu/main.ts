/** Measurements on a GPU, by name: main.ts adapter | steps | forms | wgsl | kernels | cublaslt | graphs ... */
import { attempt, report } from "./report.ts";

const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  adapter: async () => (await import("./webgpu/adapter-part.ts")).adapter(),
  steps: async () => (await import("./webgpu/steps-part.ts")).steps(),
  forms: async () => (await import("./webgpu/forms-part.ts")).forms(),
  wgsl: async () => (await import("./webgpu/products-part.ts")).wgsl(),
  kernels: async () => (await import("./cuda/kernels-part.ts")).kernels(),
  cublaslt: async () => (await import("./cuda/products-part.ts")).cublaslt(),
  graphs: async () => (await import("./cuda/graphs-part.ts")).graphs(),
};

for (const name of process.argv.slice(2)) {
  const start = performance.now();
  await attempt(name, {}, async () => {
    const part = PARTS[name];
    if (!part) throw new Error(`no such part; there are ${Object.keys(PARTS).join(", ")}`);
    await part();
    return { what: "seconds", seconds: (performance.now() - start) / 1000 };
  });
}
report("main", { what: "done" });
process.exit(); // Dawn's threads would keep the process
