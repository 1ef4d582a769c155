/**
 * What a training step launches on a GPU, and what it moves through memory: its plan, made without any GPU.
 * npm run bench:plan [-- --json] [--model <part of a name>] [--batch <n>] [--buffers <n>] [--storage bfloat16] [--cuda] [--runs <n>] [--kernels]
 */
import { parseArgs } from "node:util";
import { makeArena } from "../lib/jit/plan/arena.ts";
import type { StorageFormat } from "../lib/jit/plan/precision.ts";
import { bytesByKernel, bytesByNode } from "../lib/jit/plan/traffic.ts";
import { anyGPU, cudaCard, type PlannedStep, planStep, stepConfig } from "./planned-step.ts";

const MODELS = ["SiT-S/2", "SiT-B/2", "SiT-XL/2"] as const;
const METHODS = ["plain", "sra"] as const;

const { values: options } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    model: { type: "string", default: "" },
    method: { type: "string", default: "" },
    batch: { type: "string", default: "8" },
    buffers: { type: "string", default: "8" },
    runs: { type: "string", default: "3" },
    storage: { type: "string", default: "float32" },
    cuda: { type: "boolean", default: false },
    kernels: { type: "boolean", default: false },
  },
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];
const gigabytes = (bytes: number): number => Number((bytes / 1e9).toFixed(2));

function rowOf({ section, plan, parameters, traceSeconds, planSeconds }: PlannedStep) {
  const { live, outputs } = section;
  const results = new Set(outputs.values());
  const arena = makeArena(plan, results, { alignment: 256, maxBlock: 2 ** 32 });
  return {
    nodes: live.nodes.length,
    kernels: plan.kernels.length,
    products: plan.kernels.filter(({ call }) => call).length,
    texts: new Set(plan.kernels.filter(({ call }) => !call).map((kernel) => kernel.text())).size,
    "GB by node": gigabytes(bytesByNode(live)),
    "GB by kernel": gigabytes(bytesByKernel(plan)),
    "GB arena": gigabytes(arena.blocks.reduce((sum, bytes) => sum + bytes, 0)),
    "GB parameters": gigabytes(4 * parameters),
    "s trace": Number(traceSeconds.toFixed(2)),
    "s plan": Number(median(planSeconds).toFixed(2)),
  };
}

/** Kernels by the scope and the operators that they are made of, the most frequent first. */
function listKernels({ plan }: PlannedStep): void {
  const counts = new Map<string, number>();
  for (const { label, groups } of plan.kernels) {
    const key = `${label}  [${groups}]`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const [key, count] of [...counts].sort(([, a], [, b]) => b - a))
    console.log(`${count}`.padStart(5), key);
}

const storage = options.storage as StorageFormat;
const card = options.cuda ? cudaCard(storage) : undefined;
const rows: Record<string, ReturnType<typeof rowOf>> = {};
for (const model of MODELS.filter((name) => name.includes(options.model)))
  for (const method of METHODS.filter((name) => name.includes(options.method))) {
    const planned = await planStep(
      stepConfig(model, method, Number(options.batch)),
      card ? card.options : { ...anyGPU(Number(options.buffers)), storage },
      { runs: Number(options.runs), ...(card && { device: card.device }) },
    );
    rows[`${model} ${method}`] = rowOf(planned);
    if (options.kernels) listKernels(planned);
  }
if (options.json) console.log(JSON.stringify({ batch: Number(options.batch), rows }));
else console.table(rows);
