/** What a training run is: plain data, saved as `config.json` and in every checkpoint, and checked by one schema. */
import { type Fault, methodConfig } from "../align/index.ts";
import { processConfig } from "../diffusion/process.ts";
import { PRECISIONS } from "../jit/plan/precision.ts";
import type { TransformerConfig } from "../models/config.ts";
import { networkConfig } from "../models/make.ts";
import { ADAMW_DEFAULTS, adamWConfig } from "../optim/adamw.ts";
import { schedule } from "../optim/schedules.ts";
import { atLeast0, check, count, flag, oneOf, share, z } from "../schema.ts";
import { makeTask } from "./make-task.ts";
import type { Task } from "./task.ts";

/** The fields of a config. */
export const trainConfigFields = z.strictObject({
  seed: z.int("an integer").describe("Seed of weights, data order and noise."),
  model: networkConfig.describe("The network."),
  process: processConfig.describe("How data becomes noise, and what the network predicts."),
  methods: z
    .array(methodConfig, "a list of methods")
    .describe(
      "What helps the network learn, each by its weight. None: plain generative training, the baseline.",
    ),
  steps: count("Training steps in all."),
  batchSize: count("Images a step."),
  accumulate: count(
    "Gradient accumulation steps: runs that a step's batch is split into, whose gradients are added up: less memory. Default: 1.",
  ).optional(),
  microBatches: count(
    "Microbatches: parts that a run's batch is split into inside the compiled step. Default: chosen by the sizes of model and batch.",
  ).optional(),
  remat: flag(
    "Compute blocks again for the gradient: about a third more time, far less memory. Default: no.",
  ).optional(),
  precision: oneOf(
    PRECISIONS,
    "Mixed precision on a GPU: how wide activations are in memory, and factors of products (tf32: factors alone); weights, sums and the optimizer stay float32. A processor computes all in float32. Default: float32.",
  ).optional(),
  lossScaling: oneOf(
    ["fixed", "dynamic"],
    "What keeps small gradients in float16's range: a fixed scale of the loss by its size, or as much as the gradients bear, where a step that left the range is skipped and counted (`skippedSteps`). Default: fixed.",
  ).optional(),
  learningRate: schedule.describe("Learning rate of AdamW."),
  adamW: adamWConfig.describe("The optimizer."),
  maxGradientNorm: atLeast0("Largest global gradient norm; 0 is no limit."),
  emaDecay: schedule.describe(
    "Decay of the moving average: the teacher of methods that have one, and the weights to sample from.",
  ),
  moreEmaDecays: z
    .array(share("A decay."), "a list of decays")
    .optional()
    .describe("Decays of further moving averages that are kept beside it."),
  classDropout: share(
    "Probability that a sample's label becomes the null class, or its caption the empty one, for classifier-free guidance.",
  ),
  logEvery: count("Steps between lines of metrics.jsonl."),
  checkpointEvery: count("Steps between checkpoints; one is always written at the end."),
  keepCheckpoints: count("Newest checkpoints that are kept. Default: 2.").optional(),
  keepEvery: count("Steps between checkpoints that are kept for good. Default: none is.").optional(),
  sampleEvery: count(
    "Steps between grids of samples, `samples/step-*.png`. Default: none are made.",
  ).optional(),
});

export type TrainConfig = z.infer<typeof trainConfigFields>;
/** One whose network is a class-conditional transformer. */
export type TransformerTrainConfig = TrainConfig & { model: TransformerConfig };

/** How the paper trains whatever the model (table 5), with no method: what a config may begin with. */
export const TRAIN_DEFAULTS = {
  seed: 0,
  methods: [],
  steps: 400_000,
  batchSize: 256,
  learningRate: 1e-4,
  adamW: ADAMW_DEFAULTS,
  maxGradientNorm: 1,
  emaDecay: 0.9999,
  classDropout: 0.1,
  logEvery: 100,
  checkpointEvery: 10_000,
} satisfies Omit<TrainConfig, "model" | "process">;

const trainConfig = trainConfigFields.superRefine((config, context) => {
  const fail = (field: string, expected: string): void =>
    context.addIssue({ code: "custom", path: field.split("."), message: expected });
  const { accumulate = 1, microBatches = 1, batchSize, checkpointEvery, keepEvery } = config;
  const run = batchSize / accumulate;
  if (batchSize % accumulate !== 0) fail("accumulate", `a divisor of batchSize ${batchSize}`);
  else if (run % microBatches !== 0)
    fail("microBatches", `a divisor of ${accumulate > 1 ? "a run's batch size" : "batchSize"} ${run}`);
  if (keepEvery !== undefined && keepEvery % checkpointEvery !== 0)
    fail("keepEvery", `a multiple of checkpointEvery ${checkpointEvery}`);
  if (config.lossScaling === "dynamic" && config.precision !== "float16")
    fail("lossScaling", `absent or fixed, as precision is ${config.precision ?? "float32"} and not float16`);
  // A model that is wrong in itself has been named already.
  if (!networkConfig.safeParse(config.model).success) return;
  if (config.process.type === "gaussian" && "reversedTime" in config.model && config.model.reversedTime)
    return fail(
      "model.reversedTime",
      "absent or false with a process in steps, whose time does not end at 1",
    );
  for (const [field, expected] of taskFaults(makeTask(config), run / microBatches)) fail(field, expected);
});

/** Numbers that a training step draws for itself. */
const RESERVED_DRAWS = ["latent", "time", "noise"];

/** What of a task's parts does not fit the others; `samples` is how many pass through the network together. */
function taskFaults({ network, process, methods }: Task, samples: number): Fault[] {
  const faults: Fault[] = [];
  const channels = process.outChannels(network.input[0]);
  if (network.outChannels !== channels)
    faults.push([
      "model.outChannels",
      `${channels}, what the process predicts of ${network.input[0]} channels`,
    ]);
  // Where two name one thing, the first one has it.
  const owners: Record<"parameters" | "arrays", Map<string, { method: number; shape: string }>> = {
    parameters: new Map(Object.keys(network.shapes).map((name) => [name, { method: -1, shape: "" }])),
    arrays: new Map(
      Object.entries(network.arrays ?? {}).map(([name, shape]) => [name, { method: -1, shape: `${shape}` }]),
    ),
  };
  const whose = (method: number): string => (method < 0 ? "the network" : `methods.${method}`);
  for (const [i, method] of methods.entries()) {
    const fault = (field: string, expected: string): void =>
      void faults.push([`methods.${i}.${field}`, expected]);
    for (const [field, expected] of method.faults) fault(field, expected);
    if (method.faults.length === 0)
      for (const tap of method.taps)
        if (!(Number.isInteger(tap) && tap >= 1 && tap <= network.depth))
          fault("taps", `of blocks from 1 to the model's depth ${network.depth} (one is ${tap})`);
    const names = Object.keys(method.parameters?.shapes ?? {});
    const taken = names.find((name) => owners.parameters.has(name));
    if (taken !== undefined)
      fault(
        "method",
        `another than that of ${whose(owners.parameters.get(taken)!.method)}, which has the parameter ${taken} too`,
      );
    for (const name of names) owners.parameters.set(name, { method: i, shape: "" });
    for (const [name, shape] of Object.entries(method.arrays ?? {})) {
      const owner = owners.arrays.get(name) ?? { method: i, shape: `${shape}` };
      if (owner.shape !== `${shape}`)
        fault(
          "arrays",
          `of one shape: ${name} is [${owner.shape}] to ${whose(owner.method)}, and [${shape}] here`,
        );
      owners.arrays.set(name, owner);
    }
    for (const name of Object.keys(method.draws ?? {}))
      if (!/^[A-Za-z_]\w*$/.test(name) || RESERVED_DRAWS.includes(name))
        fault("draws", `named by a word other than ${RESERVED_DRAWS.join(", ")} (one is '${name}')`);
    const looks = methods.findIndex((other) => other.sight);
    if (method.sight && looks < i)
      fault(
        "method",
        `one that leaves what the student sees to methods.${looks}, which chooses that already`,
      );
    if (method.couplesSamples && samples < 2)
      fault("method", "one that needs no other samples where only one passes through the network at a time");
  }
  return faults;
}

/**
 * Checks a config, and a task of one's own that is trained with it.
 * @throws RangeError, one sentence that names every field that is missing, unknown or wrong.
 */
export function checkTrainConfig(config: TrainConfig, task?: Task): void {
  check(trainConfig, config, "train config");
  const { batchSize, accumulate = 1, microBatches = 1 } = config;
  const faults = task ? taskFaults(task, batchSize / accumulate / microBatches) : [];
  if (faults.length > 0)
    throw new RangeError(
      `task: ${faults.map(([field, expected]) => `${field} must be ${expected}`).join("; ")}`,
    );
}
