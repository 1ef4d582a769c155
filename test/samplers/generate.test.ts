import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_DEFAULTS, initDiT, initSiT } from "../../lib/models/index.ts";
import { type GenerateOptions, type StepProgress, sampleGenerator } from "../../lib/samplers/index.ts";
import { mapParams, normalTensor, randomGenerator } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallConfig } from "../train/small.ts";

const { model } = smallConfig();
const random = randomGenerator(4);
const params = initSiT(model, random);
for (const name of Object.keys(params))
  if (/adaLN|final/.test(name)) params[name] = normalTensor(random, params[name].shape);

const generator = sampleGenerator(model);
const generate = async (change: Partial<GenerateOptions>): Promise<Float32Array> =>
  (
    await generator.generate(params, {
      labels: [0, 1, 0, 1, 1],
      sampler: "euler",
      steps: 3,
      seed: 1,
      ...change,
    })
  ).data;

for (const sampler of ["euler", "heun", "euler-maruyama"] as const) {
  test(`${sampler}: an image depends on its seed and number, not on its batch`, async () => {
    const guidance = { scale: 2, interval: [0.2, 0.8] } as const;
    const whole = await generate({ sampler, guidance });
    assert.ok(relativeError(await generate({ sampler, guidance, batchSize: 2 }), whole) < 1e-5);
    const tail = await generate({ sampler, guidance, labels: [0, 1, 1], first: 2 });
    assert.ok(relativeError(tail, whole.subarray(2 * 64)) < 1e-5);
    assert.ok(relativeError(await generate({ sampler, guidance, seed: 2 }), whole) > 0.1);
  });
}

test("images of one batch differ, and the class and guidance matter", async () => {
  const whole = await generate({ labels: [0, 0] });
  assert.ok(relativeError(whole.subarray(0, 64), whole.subarray(64)) > 0.1);
  assert.ok(relativeError(await generate({ labels: [1, 1] }), whole) > 1e-3);
  assert.ok(relativeError(await generate({ labels: [0, 0], guidance: { scale: 3 } }), whole) > 1e-3);
});

for (const sampler of ["ddpm", "ddim"] as const) {
  test(`${sampler} of a DiT: images by seed and number; all channels guided are those of the input, no variance`, async () => {
    const config = { ...model, ...DIT_DEFAULTS };
    const random = randomGenerator(6);
    const weights = mapParams(initDiT(config, random), (p, name) =>
      /adaLN|final/.test(name) ? normalTensor(random, p.shape) : p,
    );
    const generator = sampleGenerator(config);
    const draw = async (change: Partial<GenerateOptions>): Promise<Float32Array> => {
      const options = { labels: [0, 1, 0], sampler, steps: 3, seed: 1, ...change };
      return (await generator.generate(weights, options)).data;
    };
    const guidance = { scale: 3 };
    const whole = await draw({ guidance });
    assert.ok(whole.every(Number.isFinite));
    assert.ok(relativeError(await draw({ guidance, labels: [1, 0], first: 1 }), whole.subarray(64)) < 1e-5);
    // The input has one channel: three, as released, and one are the same.
    assert.equal(await draw({ guidance: { scale: 3, channels: 1 } }), whole);
    assert.ok(relativeError(await draw({}), whole) > 1e-3);
    await generator.dispose();
  });
}

test("progress reaches the number of images", async () => {
  const seen: number[] = [];
  await generate({ batchSize: 2, onProgress: (done, total) => seen.push(done, total) });
  assert.equal(seen, [2, 5, 4, 5, 5, 5]);
});

for (const sampler of ["euler", "heun", "euler-maruyama"] as const) {
  test(`${sampler}: watched step by step, the images are the same bit by bit`, async () => {
    const options = {
      sampler,
      steps: 12,
      guidance: { scale: 2, interval: [0.2, 0.8] },
      batchSize: 3,
    } as const;
    const whole = await generate(options);
    const seen: StepProgress[] = [];
    const watched = await generate({ ...options, first: 0, onStep: (progress) => void seen.push(progress) });
    assert.equal(watched, whole);
    // Two batches, of three images and of two.
    assert.equal(
      seen.map(({ step, steps, first, images }) => [step, steps, first, images.shape]),
      [0, 3].flatMap((first) =>
        Array.from({ length: 12 }, (_, i) => [i + 1, 12, first, [first === 0 ? 3 : 2, 1, 8, 8]]),
      ),
    );
    assert.equal(seen[11].images.data, whole.subarray(0, 3 * 64));
    assert.equal(seen[23].images.data, whole.subarray(3 * 64));
    assert.not.equal(seen[10].images.data, seen[11].images.data);
  });
}

test("a class out of range, an unknown sampler and zero steps are refused", async () => {
  await rejects(generate({ labels: [0, 3] }), /class id 3 of image 1 is out of range; expected 0 to 1, or 2/);
  await rejects(generate({ sampler: "rk4" as "euler" }), /unknown sampler 'rk4'; expected one of euler/);
  await rejects(generate({ steps: 0 }), /steps must be an integer of at least 1, got 0/);
});

test.run();
