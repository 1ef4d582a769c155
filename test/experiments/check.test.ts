import { access } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS } from "../../lib/diffusion/index.ts";
import { type Arm, type ComparisonOptions, scaleConfig } from "../../lib/experiments/index.ts";
import type { TrainConfig } from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { dataset, ownHome, run, scale } from "./least.ts";

const checks = suite("checks of a comparison");
ownHome(checks);

const base = (seed: number): TrainConfig => scaleConfig(scale, dataset, [], seed);
const arm = (
  name: string,
  change: (config: TrainConfig) => Partial<TrainConfig> = () => ({}),
  label = name,
): Arm => ({
  name,
  label,
  config: (seed) => ({ ...base(seed), ...change(base(seed)) }),
});
const plain = arm("plain");
const scaled = (change: object): Partial<ComparisonOptions> => ({ scale: { ...scale, ...change } });

/** Refused with this sentence, before anything is written. */
async function refuses(
  message: string | RegExp,
  arms: readonly Arm[],
  others: Partial<ComparisonOptions> = {},
): Promise<void> {
  const folder = join(await temporaryFolder(), "new");
  const error: Error = await run(folder, arms, others).then(
    () => assert.unreachable(`expected ${message}`),
    (error) => error,
  );
  if (typeof message === "string") assert.is(error.message, message);
  else assert.match(error.message, message);
  await access(folder).then(
    () => assert.unreachable("something was written"),
    () => {},
  );
}

checks("names that are no folders' names, or that two arms have", async () => {
  const named = (...names: string[]): Arm[] => names.map((name) => ({ ...plain, name, label: name || "x" }));
  await refuses("a comparison needs one arm or more, got none", []);
  await refuses(/^an arm's name begins its folders' names: expected letters, .*, got "\.\.\/up"$/, [
    ...named("../up"),
  ]);
  await refuses(/got ""$/, named("a", ""));
  await refuses(/got "b\*"$/, named("a", "b*"));
  await refuses(/no name twice, got "A"$/, named("a", "b", "A"));
});

checks("labels and phrases that two arms have", async () => {
  await refuses("the arms 'a' and 'b' have the label \"SiT\"; expected one for each, to tell them apart by", [
    arm("a", undefined, "SiT"),
    arm("b", undefined, "SiT"),
  ]);
  await refuses("the arms 'a' and 'b' have the phrase \"it\"; expected one for each, to tell them apart by", [
    { ...arm("a"), phrase: "it" },
    { ...arm("b"), phrase: "it" },
  ]);
  await refuses("the arm 'a' has the label \"\"; expected some text, to tell it from others by", [
    arm("a", undefined, ""),
  ]);
});

checks("a later arm that cannot be trained", async () => {
  const encoders = [{ array: "dino", width: 4 }];
  await refuses(
    "the arm 'repa': training images need the array 'dino' with [4,4] numbers for each image, got none",
    [
      plain,
      arm("repa", () => ({
        methods: [{ method: "repa", weight: 0.5, block: 1, encoders, projectorWidth: 8 }],
      })),
    ],
  );
  await refuses(
    "the arm 'late': train config: methods.0.targetBlock must be from 1 to the model's depth 2, got 7",
    [
      plain,
      arm("late", () => ({ methods: [{ method: "layersync", weight: 0.2, block: 5, targetBlock: 7 }] })),
    ],
  );
  await refuses("the arm 'large': training images are 1x8x8, but the model expects 1x16x16", [
    plain,
    arm("large", ({ model }) => ({ model: { ...model, inputSize: 16 } })),
  ]);
});

checks("a later arm that cannot be evaluated", async () => {
  const gaussian = (steps: number) =>
    arm(`dit-${steps}`, ({ model }) => ({
      model: { ...model, outChannels: 2 },
      process: { ...DIT_PROCESS, schedule: "squaredcos_cap_v2", steps },
    }));
  await refuses(
    "the arm 'dit-16': its process of 16 steps has none at the probes' noise level 0.3; expected one of step / 16, the nearest is 0.3125",
    [plain, gaussian(16)],
  );
  await refuses(/^the arm 'dit-10': cannot keep '12' of 10 diffusion steps/, [plain, gaussian(10)], {
    ...scaled({ samplerSteps: 12 }),
  });
  // The labels of these images would be those of no class.
  await refuses("the arm 'plain': its model knows 2 classes; expected 0, or the data set's 3", [plain], {
    dataset: { ...dataset, classes: ["a", "b", "c"] },
  });
});

checks("arms that cannot be set against each other", async () => {
  await refuses(
    "the arm 'long' trains for 4 steps and the arm 'plain' for 2; expected as many in every arm, because they are compared after the same steps",
    [plain, arm("long", () => ({ steps: 4 }))],
  );
});

checks("an arm whose seeds are none", async () => {
  await refuses(
    "the arm 'stuck' has a config of seed 7 for seed 0; expected one of the seed that it is given",
    [plain, { ...arm("stuck"), config: () => base(7) }],
  );
  await refuses(
    "the arm 'drifting' has learningRate 0.02 with seed 1, and 0.01 with seed 0; expected configs that differ in their seed alone",
    [plain, arm("drifting", ({ seed }) => ({ learningRate: (seed + 1) / 100 }))],
  );
});

checks("probed blocks that an arm does not have, or that are no blocks", async () => {
  const blocks = (...numbers: number[]) => ({
    probeBlocks: numbers.map((block) => ({ block, label: `block ${block}` })),
  });
  const deep = arm("deep", ({ model }) => ({ model: { ...model, depth: 3 } }));
  await refuses(
    "the probed block 3 is none of the arm 'plain'; expected a block from 1 to its depth 2",
    [deep, plain],
    blocks(3),
  );
  for (const block of [0, 1.5])
    await refuses(
      `the probed block ${block} is none of the arm 'plain'; expected a block from 1 to its depth 2`,
      [plain],
      blocks(block),
    );
  await refuses("the probed block 1 is named twice; expected each once", [plain], blocks(1, 2, 1));
});

checks("a scale that the data or the arms do not allow", async () => {
  for (const [change, message] of [
    [{ seeds: [] }, "scale.seeds must be different integers, one or more, got []"],
    [{ seeds: [1, 2, 1] }, "scale.seeds must be different integers, one or more, got [1,2,1]"],
    [{ seeds: [0.5] }, "scale.seeds must be different integers, one or more, got [0.5]"],
    [{ evaluations: 3 }, "scale.evaluations must be an integer from 1 to the 2 training steps, got 3"],
    [{ evaluations: 0 }, "scale.evaluations must be an integer from 1 to the 2 training steps, got 0"],
    // Real images are measured as many as are generated.
    [{ generated: 81 }, "scale.generated must be an integer from 4 to the 80 test images, got 81"],
    [{ generated: 3 }, "scale.generated must be an integer from 4 to the 80 test images, got 3"],
    [{ reference: 2 }, "scale.reference must be an integer of at least 4, got 2"],
    [{ probeTrain: 301 }, "scale.probeTrain must be an integer from 1 to the 300 training images, got 301"],
    [{ probeTest: 81 }, "scale.probeTest must be an integer from 1 to the 80 test images, got 81"],
    [{ samplerSteps: 0 }, "the arm 'plain': sampler steps must be an integer of at least 1, got 0"],
    [{ probeTimesteps: [1.2] }, "scale.probeTimesteps must be different levels from 0 to 1, got [1.2]"],
    [
      { probeTimesteps: [0.5, 0.5] },
      "scale.probeTimesteps must be different levels from 0 to 1, got [0.5,0.5]",
    ],
  ] as const)
    await refuses(message, [plain], scaled(change));
});

checks("a data set whose halves do not belong together", async () => {
  const { test } = dataset;
  await refuses("the data set's test images are 1x4x16, expected the training images' 1x8x8", [plain], {
    dataset: { ...dataset, test: { ...test, height: 4, width: 16 } },
  });
  await refuses(
    "the labels of the data set's test images go up to 2, expected at most 1, of its 2 classes",
    [plain],
    { dataset: { ...dataset, test: { ...test, labels: test.labels.map((label) => 2 * label) } } },
  );
});

checks.run();
