/** Training in a cell: the stop button ends it between two steps, and nothing is lost. */
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelProcess, startKernel } from "../../kernel/client/process.ts";
import { latestCheckpoint } from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build, root } from "./helpers.ts";

build();
let kernel: KernelProcess | undefined;
test.after(() => kernel?.stop());

const SETUP = `
import { loadImageSet } from "ditlab/data";
import { SIT_PROCESS } from "ditlab/diffusion";
import { ADAMW_DEFAULTS } from "ditlab/optim";
import { flattenTree } from "ditlab/tensor";
import { type TrainConfig, type Training, type TrainState, training } from "ditlab/train";
const images = await loadImageSet("mnist", "test");
const config: TrainConfig = {
  seed: 0,
  model: { inputSize: 28, patchSize: 7, inChannels: 1, hiddenSize: 16, depth: 2, numHeads: 2, mlpRatio: 2, numClasses: 10, qkNorm: false },
  process: SIT_PROCESS,
  methods: [{ method: "layersync", weight: 0.2, block: 1, targetBlock: 2 }],
  steps: 400, batchSize: 4, learningRate: 1e-3, adamW: ADAMW_DEFAULTS, maxGradientNorm: 1, emaDecay: 0.9,
  classDropout: 0.1, logEvery: 100, checkpointEvery: 1000,
};
const numbers = (state: TrainState): string =>
  JSON.stringify(flattenTree(state).map(({ tensor }) => Array.from(tensor.dataSync())));
const whole = training(config, images);
for await (const _ of whole);
`;

test("a stopped loop goes on where it was, in memory and in a folder, to the same weights", async () => {
  const folder = join(await temporaryFolder(), "run");
  kernel = await startKernel({ cwd: root });
  const { client } = kernel;
  const run = async (code: string): Promise<string> => {
    const { reply, outputs } = await client.execute(code);
    assert.is(reply.content.status, "ok", JSON.stringify(reply.content));
    const shown = outputs.find(({ header }) => header.msg_type === "execute_result");
    return (shown?.content.data as Record<string, string> | undefined)?.["text/plain"] ?? "";
  };
  await run(SETUP);
  for (const options of ["{}", JSON.stringify({ folder })]) {
    await run(`var part: Training = training(config, images, ${options});`);
    for (const least of [20, 150]) {
      let reached = (): void => {};
      const far = new Promise<void>((resolve) => {
        reached = resolve;
      });
      const running = client.execute(
        `for await (const { step } of part) if (step === ${least}) console.log("reached");`,
        { onOutput: ({ header }) => header.msg_type === "stream" && reached() },
      );
      await far;
      await client.interrupt();
      const { reply } = await running;
      assert.is(reply.content.ename, "KeyboardInterrupt");
      const step = Number(await run("part.step"));
      assert.ok(step >= least && step < 400, `${step}`);
      if (options !== "{}") {
        const found = await latestCheckpoint(join(folder, "checkpoints"));
        assert.is(found?.checkpoint.step, step, `saved ${found?.checkpoint.step}, at ${step}`);
      }
    }
    await run("for await (const _ of part);");
    assert.is(await run("numbers(part.state) === numbers(whole.state)"), "true");
  }
});

test.run();
