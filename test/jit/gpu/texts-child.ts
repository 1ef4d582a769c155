/**
 * A process that asks Dawn, on a device that computes nothing, whether kernels are valid for GPUs that have more than those
 * that processors play: products by matrices of subgroups, in all forms. Prints JSON for each.
 */
import { traceFunction } from "../../../lib/jit/lower.ts";
import { FORMS, matrixForms, SOME_GPU } from "../../../lib/jit/plan/forms.ts";
import { styleFor } from "../../../lib/jit/plan/style.ts";
import { planProgram } from "../../../lib/jit/plan/traced.ts";
import { structureOf } from "../../../lib/jit/structure.ts";
import { writtenFor } from "../../../lib/jit/targets/planned/dialect.ts";
import type { GPU } from "../../../lib/jit/targets/webgpu/gpu.ts";
import { WGSL } from "../../../lib/jit/targets/webgpu/wgsl.ts";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";

const { create } = (await import("webgpu" as string)) as { create(options: string[]): GPU };
const gpu = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
const adapter = await gpu.requestAdapter();
const device = await adapter!.requestDevice({
  requiredFeatures: ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"],
});
const MATRICES = { format: "float16" as const, M: 16, N: 16, K: 16, threads: 32 };
const args = [tf.ones([3, 70, 40]), tf.ones([40, 50]), tf.ones([50])];
const body = (x: Tensor, w: Tensor, b: Tensor): Tensor[] => [
  tf.relu(tf.add(tf.matMul(tf.reshape(x, [-1, 40]), w), b)),
  tf.matMul(tf.reshape(x, [-1, 40]), tf.reshape(x, [-1, 40]), true, false),
  tf.matMul(x, x, false, true),
];
const structures = args.map((arg, i) => structureOf(arg, `arg${i}`));
const leaves = structures.flatMap((structure) => structure.leaves);
for (const form of [...FORMS, ...matrixForms(MATRICES)])
  for (const parts of [1, 3]) {
    const products = { ...SOME_GPU, measured: () => ({ form, parts }) };
    const traced = writtenFor(products, traceFunction(body, args as [Tensor, Tensor, Tensor], "texts"));
    const style = styleFor(WGSL, { ...products, matrices: form.matrices });
    const storage = form.matrices ? "bfloat16" : "float32";
    const { plans } = planProgram(traced, leaves, [false, false, false], { style, maxBuffers: 8, storage });
    const faults: string[] = [];
    let byMatrices = 0;
    for (const kernel of [...plans.values()].flatMap(({ kernels }) => kernels)) {
      const code = kernel.text();
      byMatrices += Number(code.includes("subgroupMatrixMultiplyAccumulate"));
      device.pushErrorScope("validation");
      device.createShaderModule({ code });
      const error = await device.popErrorScope();
      if (error) faults.push(`${kernel.label}: ${error.message}`);
    }
    console.log(JSON.stringify({ form: [form.rows, form.columns, parts], byMatrices, faults }));
  }
process.exit(0);
