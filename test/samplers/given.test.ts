/** The generator with given noise, against the plain samplers and closed forms. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { betaSchedule, gaussianDiffusion, respace, respacedTimesteps } from "../../lib/diffusion/index.ts";
import { fromTensor } from "../../lib/io/index.ts";
import { DIT_DEFAULTS, type DiTConfig, dit, initTransformer, transformer } from "../../lib/models/index.ts";
import {
  checkGenerate,
  classVelocity,
  ddimSampler,
  ddpmSampler,
  eulerMaruyamaSampler,
  eulerSampler,
  type GenerateOptions,
  heunSampler,
  sampleGenerator,
} from "../../lib/samplers/index.ts";
import {
  mapParams,
  normalTensor,
  type Params,
  randomGenerator,
  randomStream,
  type Tensor,
  tf,
} from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallConfig } from "../train/small.ts";

const STEPS = 4;
const { model: sitConfig } = smallConfig();
const ditConfig: DiTConfig = { ...sitConfig, ...DIT_DEFAULTS };
const random = randomGenerator(7);
const labels = [0, 1, 2, 1, 0];
const y = tf.tensor1d(labels, "int32");
const latents = normalTensor(random, [5, 1, 8, 8]);
const noise = normalTensor(random, [STEPS - 1, 5, 1, 8, 8]);
const process = respace(gaussianDiffusion(betaSchedule("linear")), respacedTimesteps(String(STEPS)));

function weightsOf(config: typeof sitConfig): Params {
  const random = randomGenerator(8);
  return mapParams(initTransformer(config, random), (p, name) =>
    /adaLN|final/.test(name) ? normalTensor(random, p.shape) : p,
  );
}
const [sitParams, ditParams] = [weightsOf(sitConfig), weightsOf(ditConfig)];
const velocity = classVelocity((x, t, y) => transformer(sitParams, sitConfig, x, t, y).output, y, 2);
const denoiser = classVelocity((x, t, y) => transformer(ditParams, ditConfig, x, t, y).output, y, 2);
const discrete = {
  diffusion: process,
  config: ditConfig.diffusion,
  noise: (index: number) => tf.gather(noise, index) as Tensor,
};
const sit = sampleGenerator(sitConfig);
const dits = sampleGenerator(ditConfig);

const drawing = { latents, noise };
const CASES: [Partial<GenerateOptions> & Pick<GenerateOptions, "sampler">, () => Promise<Tensor>][] = [
  [{ sampler: "euler", latents }, () => eulerSampler(velocity, latents, { steps: STEPS })],
  [{ sampler: "heun", latents }, () => heunSampler(velocity, latents, { steps: STEPS })],
  [
    { sampler: "euler-maruyama", ...drawing },
    () => eulerMaruyamaSampler(velocity, latents, { steps: STEPS, noise: discrete.noise }),
  ],
  [{ sampler: "ddpm", ...drawing }, () => ddpmSampler(denoiser, latents, discrete)],
  [{ sampler: "ddim", latents }, () => ddimSampler(denoiser, latents, discrete)],
  [
    { sampler: "ddim", eta: 0.6, ...drawing },
    () => ddimSampler(denoiser, latents, { ...discrete, eta: 0.6 }),
  ],
];

for (const [options, plain] of CASES) {
  const { sampler, eta } = options;
  test(`${sampler}${eta ? ` of eta ${eta}` : ""}: given noise gives the plain sampler's images, in batches of any size`, async () => {
    const expected = await plain();
    const [generator, params] = sampler.startsWith("dd") ? [dits, ditParams] : [sit, sitParams];
    for (const batchSize of [5, 2]) {
      const made = await generator.generate(params, { labels, steps: STEPS, batchSize, ...options });
      // A DiT's first step multiplies by 158: rounding is no smaller.
      assert.ok(relativeError(made, expected) < 1e-4, `batch ${batchSize}: ${relativeError(made, expected)}`);
    }
  });
}

test("arrays are taken as tensors are, and the seed's own noise gives the seed's images", async () => {
  const options = { labels, sampler: "ddpm", steps: STEPS, seed: 3, first: 10 } as const;
  const expected = await dits.generate(ditParams, options);
  const streams = labels.map((_, i) => randomStream(3, "sample", 10 + i));
  const draw = () => tf.stack(streams.map((stream) => normalTensor(stream, [1, 8, 8])));
  const start = await fromTensor(draw());
  const perStep = await fromTensor(tf.stack(Array.from({ length: STEPS - 1 }, draw)));
  const given = { latents: start as never, noise: perStep as never };
  assert.equal((await dits.generate(ditParams, { ...options, ...given })).data, expected.data);
  // Each alone: the other still comes from the seed, as if nothing had been given.
  assert.equal((await dits.generate(ditParams, { ...options, latents: given.latents })).data, expected.data);
  assert.equal((await dits.generate(ditParams, { ...options, noise: given.noise })).data, expected.data);
});

test("DDIM of eta 1 draws from the posterior: its mean, and the least variance", async () => {
  const expected = Array.from({ length: STEPS }, (_, i) => STEPS - 1 - i).reduce((x, step) => {
    const t = tf.fill([5], process.timesteps[step]);
    const { prediction } = dit(ditParams, ditConfig, x, t, y);
    const alpha = process.alphasCumprod[step];
    const data = tf.div(tf.sub(x, tf.mul(prediction, Math.sqrt(1 - alpha))), Math.sqrt(alpha));
    const mean = tf.add(
      tf.mul(data, process.posteriorMeanCoef1[step]),
      tf.mul(x, process.posteriorMeanCoef2[step]),
    );
    if (step === 0) return mean;
    const deviation = Math.sqrt(process.posteriorVariance[step]);
    return tf.add(mean, tf.mul(discrete.noise(STEPS - 1 - step), deviation));
  }, latents as Tensor);
  const plain = await ddimSampler(denoiser, latents, { ...discrete, eta: 1 });
  assert.ok(relativeError(plain, expected) < 1e-4, `${relativeError(plain, expected)}`);
  const options = { labels, sampler: "ddim", steps: STEPS, eta: 1, ...drawing } as const;
  const made = await dits.generate(ditParams, options);
  assert.ok(relativeError(made, expected) < 1e-4, `${relativeError(made, expected)}`);
  // More steps than noise is taken for at once, and another eta.
  const many = { labels, sampler: "ddim", steps: 20, seed: 1 } as const;
  const [still, half] = [
    await dits.generate(ditParams, { ...many, eta: 0 }),
    await dits.generate(ditParams, { ...many, eta: 0.5 }),
  ];
  assert.equal(still.data, (await dits.generate(ditParams, many)).data);
  assert.ok(relativeError(half, still) > 1e-2);
  assert.ok(relativeError(await dits.generate(ditParams, { ...many, eta: 0.5, batchSize: 2 }), half) < 1e-5);
});

test("noise of another shape, noise that nobody draws, and eta elsewhere are refused first", async () => {
  const refused = async (config: typeof sitConfig, options: Partial<GenerateOptions>, message: RegExp) => {
    const all = { labels, sampler: "euler", steps: STEPS, ...options } as GenerateOptions;
    assert.throws(() => checkGenerate(config, all), message);
    await rejects(sampleGenerator(config).generate({}, all), message);
  };
  const short = tf.zeros([4, 1, 8, 8]);
  await refused(sitConfig, { latents: short }, /^latents must be \[5,1,8,8\], got \[4,1,8,8\]$/);
  await refused(
    sitConfig,
    { sampler: "euler-maruyama", noise: latents },
    /^noise must be \[3,5,1,8,8\], got \[5,1,8,8\]$/,
  );
  await refused(sitConfig, { noise }, /^noise was given, but 'euler' of 4 steps draws none$/);
  await refused(ditConfig, { sampler: "ddim", noise }, /^noise was given, but 'ddim' of 4 steps draws none$/);
  await refused(sitConfig, { eta: 0.5 }, /^eta is an option of the sampler 'ddim'; got eta 0.5 for 'euler'$/);
  await refused(ditConfig, { sampler: "ddpm", eta: 1 }, /got eta 1 for 'ddpm'$/);
  for (const eta of [-0.1, 1.1, Number.NaN])
    await refused(ditConfig, { sampler: "ddim", eta }, new RegExp(`^eta must be from 0 to 1, got ${eta}$`));
  await refused(sitConfig, { batchSize: 0 }, /^batchSize must be an integer of at least 1, got 0$/);
  const options = { ...discrete, eta: 2 };
  await rejects(ddimSampler(denoiser, latents, options), /^eta must be from 0 to 1, got 2$/);
});

test.after(() => Promise.all([sit.dispose(), dits.dispose()]).then(() => {}));

test.run();
