/** Measurements on a GPU, by name and target: main.ts adapter cuda:steps webgpu:steps cuda:attention ... */
import type { GpuTarget } from "./open.ts";
import { attempt, report } from "./report.ts";

const PARTS: Readonly<Record<string, (target: GpuTarget) => Promise<void>>> = {
  adapter: async () => (await import("./webgpu/adapter-part.ts")).adapter(),
  steps: async (target) => (await import("./steps-part.ts")).steps(target),
  attention: async (target) => (await import("./attention-part.ts")).attention(target),
  sampling: async (target) => (await import("./sampling-part.ts")).sampling(target),
  forms: async () => (await import("./webgpu/forms-part.ts")).forms(),
  wgsl: async () => (await import("./webgpu/products-part.ts")).wgsl(),
};

for (const name of process.argv.slice(2)) {
  const start = performance.now();
  await attempt(name, {}, async () => {
    const [target, what] = name.includes(":") ? name.split(":") : ["webgpu", name];
    const part = PARTS[what];
    if (!part || (target !== "webgpu" && target !== "cuda"))
      throw new Error(`no such part; there are ${Object.keys(PARTS).join(", ")}, each by webgpu or cuda`);
    await part(target);
    return { what: "seconds", seconds: (performance.now() - start) / 1000 };
  });
}
report("main", { what: "done" });
process.exit(); // Dawn's threads would keep the process
