/** The generator with given noise, against the plain samplers and closed forms. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { betaSchedule, gaussianDiffusion, respace, respacedTimesteps } from "../../lib/diffusion/index.ts";
import { fromTensor, type NdArray } from "../../lib/io/index.ts";
import {
  checkGenerate,
  type GenerateOptions,
  networkPredictor,
  type SamplerName,
  type SamplerSettings,
  sample,
  sampleGenerator,
} from "../../lib/samplers/index.ts";
import { normalTensor, randomGenerator, randomStream, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallDiT, smallSiT } from "./small.ts";

const STEPS = 4;
const random = randomGenerator(7);
const labels = [0, 1, 2, 1, 0];
const condition = { y: tf.tensor1d(labels, "int32") };
const latents = normalTensor(random, [5, 1, 8, 8]);
const noise = normalTensor(random, [STEPS - 1, 5, 1, 8, 8]);
const [sit, dit] = [smallSiT(), smallDiT()];
const [sits, dits] = [sit, dit].map(({ network, process }) => sampleGenerator(network, process));

const drawn = (index: number): Tensor => tf.gather(noise, index);
const CASES: [typeof sit, SamplerName, SamplerSettings?, firstDraw?: number][] = [
  [sit, "euler"],
  [sit, "heun"],
  [sit, "euler-maruyama", {}, 0],
  [sit, "ddim", { eta: 0.6 }, 0],
  [sit, "dpm-solver++"],
  // At t = 1 nothing can be added: the noise is that of the steps after it.
  [sit, "edm", { churn: { amount: 1, noise: 1.1 } }, 1],
  [dit, "ddpm", {}, 0],
  [dit, "ddim"],
  [dit, "ddim", { eta: 0.6 }, 0],
  [dit, "dpm-solver++"],
];

for (const [{ network, process, params }, sampler, settings, firstDraw] of CASES) {
  test(`${sampler} on ${process.type} ${JSON.stringify(settings ?? {})}: given noise gives the plain sampler's images, in batches of any size`, async () => {
    const options = { steps: STEPS, ...settings };
    const expected = await sample(sampler, networkPredictor(network, params, { condition }), latents, {
      ...options,
      process,
      noise: (index) => drawn(index - (firstDraw ?? 0)),
    });
    const generator = process === sit.process ? sits : dits;
    const given = { latents, ...(firstDraw !== undefined && { noise }) };
    for (const batchSize of [5, 2]) {
      const made = await generator.generate(params, { ...options, sampler, labels, batchSize, ...given });
      // A DiT's first step multiplies by 158: rounding is no smaller.
      assert.ok(relativeError(made, expected) < 1e-4, `batch ${batchSize}: ${relativeError(made, expected)}`);
    }
  });
}

test("arrays are taken as tensors are, and the seed's own noise gives the seed's images", async () => {
  const options = { labels, sampler: "ddpm", steps: STEPS, seed: 3, first: 10 } as const;
  const expected = await dits.generate(dit.params, options);
  const streams = labels.map((_, i) => randomStream(3, "sample", 10 + i));
  const draw = () => tf.stack(streams.map((stream) => normalTensor(stream, [1, 8, 8])));
  const float32 = async (tensor: Tensor) => (await fromTensor(tensor)) as NdArray<"float32">;
  const start = await float32(draw());
  const perStep = await float32(tf.stack(Array.from({ length: STEPS - 1 }, draw)));
  const given = { latents: start, noise: perStep };
  assert.equal((await dits.generate(dit.params, { ...options, ...given })).data, expected.data);
  // Each alone: the other still comes from the seed, as if nothing had been given.
  assert.equal((await dits.generate(dit.params, { ...options, latents: start })).data, expected.data);
  assert.equal((await dits.generate(dit.params, { ...options, noise: perStep })).data, expected.data);
});

test("DDIM of eta 1 draws from the posterior: its mean, and the least variance", async () => {
  const taken = respace(gaussianDiffusion(betaSchedule("linear")), respacedTimesteps(String(STEPS)));
  const expected = Array.from({ length: STEPS }, (_, i) => STEPS - 1 - i).reduce((x, step) => {
    const t = tf.fill([5], taken.timesteps[step]);
    const [prediction] = tf.split(dit.network.apply(dit.params, x, t, condition).output, 2, 1);
    const alpha = taken.alphasCumprod[step];
    const data = tf.div(tf.sub(x, tf.mul(prediction, Math.sqrt(1 - alpha))), Math.sqrt(alpha));
    const mean = tf.add(
      tf.mul(data, taken.posteriorMeanCoef1[step]),
      tf.mul(x, taken.posteriorMeanCoef2[step]),
    );
    if (step === 0) return mean;
    return tf.add(mean, tf.mul(drawn(STEPS - 1 - step), Math.sqrt(taken.posteriorVariance[step])));
  }, latents);
  const options = { steps: STEPS, eta: 1 };
  const plain = await sample("ddim", networkPredictor(dit.network, dit.params, { condition }), latents, {
    ...options,
    process: dit.process,
    noise: drawn,
  });
  assert.ok(relativeError(plain, expected) < 1e-4, `${relativeError(plain, expected)}`);
  const made = await dits.generate(dit.params, { ...options, sampler: "ddim", labels, latents, noise });
  assert.ok(relativeError(made, expected) < 1e-4, `${relativeError(made, expected)}`);
  // More steps than noise is taken for at once, and another eta.
  const many = { labels, sampler: "ddim", steps: 20, seed: 1 } as const;
  const [still, half] = [
    await dits.generate(dit.params, { ...many, eta: 0 }),
    await dits.generate(dit.params, { ...many, eta: 0.5 }),
  ];
  assert.equal(still.data, (await dits.generate(dit.params, many)).data);
  assert.ok(relativeError(half, still) > 1e-2);
  assert.ok(relativeError(await dits.generate(dit.params, { ...many, eta: 0.5, batchSize: 2 }), half) < 1e-5);
});

test("on the linear path DDIM is Euler's method, and without churn EDM's sampler is Heun's", async () => {
  const options = { labels, steps: STEPS, latents };
  const by = async (sampler: SamplerName): Promise<NdArray<"float32">> =>
    sits.generate(sit.params, { ...options, sampler });
  assert.ok(relativeError(await by("ddim"), await by("euler")) < 1e-5);
  assert.equal((await by("edm")).data, (await by("heun")).data);
});

test("noise of another shape, and noise that nobody draws, are refused first", async () => {
  const refused = async (small: typeof sit, options: Partial<GenerateOptions>, message: RegExp) => {
    const all = { labels, sampler: "euler", steps: STEPS, ...options } as GenerateOptions;
    assert.throws(() => checkGenerate(small.network, small.process, all), message);
    await rejects(sampleGenerator(small.network, small.process).generate({}, all), message);
  };
  const short = tf.zeros([4, 1, 8, 8]);
  await refused(sit, { latents: short }, /^latents must be \[5,1,8,8\], got \[4,1,8,8\]$/);
  await refused(
    sit,
    { sampler: "euler-maruyama", noise: latents },
    /^noise must be \[3,5,1,8,8\], got \[5,1,8,8\]$/,
  );
  const churn = { amount: 1, interval: [0, 2] as const };
  await refused(sit, { sampler: "edm", churn, noise }, /^noise must be \[2,5,1,8,8\], got \[3,5,1,8,8\]$/);
  await refused(sit, { noise }, /^noise was given, but 'euler' of 4 steps draws none$/);
  await refused(dit, { sampler: "ddim", noise }, /^noise was given, but 'ddim' of 4 steps draws none$/);
});

test.after(() => Promise.all([sits.dispose(), dits.dispose()]).then(() => {}));

test.run();
