/** Samplers without promises: equal to the asynchronous ones, eagerly and as part of a compiled function. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  betaSchedule,
  type DiffusionConfig,
  gaussianDiffusion,
  respace,
  respacedTimesteps,
} from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { DIT_DEFAULTS, type DiTConfig, initTransformer, transformer } from "../../lib/models/index.ts";
import {
  classVelocity,
  ddimSampler,
  ddimSamplerSync,
  ddpmSampler,
  ddpmSamplerSync,
  eulerMaruyamaSampler,
  eulerMaruyamaSamplerSync,
  eulerSampler,
  eulerSamplerSync,
  heunSampler,
  heunSamplerSync,
  type Velocity,
} from "../../lib/samplers/index.ts";
import {
  mapParams,
  normalTensor,
  type Params,
  randomGenerator,
  type Tensor,
  tf,
} from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";
import { smallConfig } from "../train/small.ts";

const STEPS = 3;
const { model: sitConfig } = smallConfig();
const ditConfig: DiTConfig = { ...sitConfig, ...DIT_DEFAULTS };
const random = randomGenerator(5);
const x = normalTensor(random, [3, 1, 8, 8]);
const drawn = normalTensor(random, [STEPS - 1, 3, 1, 8, 8]);
const y = tf.tensor1d([0, 1, 2], "int32");
const guidance = { scale: 1.7, interval: [0, 0.8] } as const;

const weightsOf = (config: typeof sitConfig): Params => {
  const random = randomGenerator(6);
  return mapParams(initTransformer(config, random), (p, name) =>
    /adaLN|final/.test(name) ? normalTensor(random, p.shape) : p,
  );
};
const velocityOf = (params: Params, config: typeof sitConfig, y: Tensor): Velocity<Tensor> =>
  classVelocity((x, t, y) => transformer(params, config, x, t, y).output, y, config.numClasses, guidance);

const noiseOf = (drawn: Tensor) => (index: number) => tf.gather(drawn, index) as Tensor;
const steps = { steps: STEPS };
const discrete = (drawn: Tensor) => ({
  diffusion: respace(gaussianDiffusion(betaSchedule("linear")), respacedTimesteps(String(STEPS))),
  config: DIT_DEFAULTS.diffusion as DiffusionConfig,
  noise: noiseOf(drawn),
});

type Run<R> = (velocity: Velocity<Tensor>, x: Tensor, drawn: Tensor) => R;
const SAMPLERS: Record<string, [config: typeof sitConfig, later: Run<Promise<Tensor>>, sync: Run<Tensor>]> = {
  euler: [sitConfig, (v, x) => eulerSampler(v, x, steps), (v, x) => eulerSamplerSync(v, x, steps)],
  heun: [sitConfig, (v, x) => heunSampler(v, x, steps), (v, x) => heunSamplerSync(v, x, steps)],
  "euler-maruyama": [
    sitConfig,
    (v, x, drawn) => eulerMaruyamaSampler(v, x, { ...steps, noise: noiseOf(drawn) }),
    (v, x, drawn) => eulerMaruyamaSamplerSync(v, x, { ...steps, noise: noiseOf(drawn) }),
  ],
  ddpm: [
    ditConfig,
    (v, x, drawn) => ddpmSampler(v, x, discrete(drawn)),
    (v, x, drawn) => ddpmSamplerSync(v, x, discrete(drawn)),
  ],
  ddim: [
    ditConfig,
    (v, x, drawn) => ddimSampler(v, x, { ...discrete(drawn), eta: 0.7 }),
    (v, x, drawn) => ddimSamplerSync(v, x, { ...discrete(drawn), eta: 0.7 }),
  ],
};

for (const [name, [config, later, sync]] of Object.entries(SAMPLERS)) {
  test(`${name}: the same without promises, and whole inside jit`, async () => {
    const params = weightsOf(config);
    const expected = await later(velocityOf(params, config, y), x, drawn);
    assert.equal(sync(velocityOf(params, config, y), x, drawn).dataSync(), expected.dataSync());

    const whole = jit((params: Params, x: Tensor, y: Tensor, drawn: Tensor) =>
      sync(velocityOf(params, config, y), x, drawn),
    );
    const compiled = await whole(params, x, y, drawn);
    assert.ok(relativeError(compiled, expected) < 1e-5, `${relativeError(compiled, expected)}`);
    // Another start and other noise are arguments of the same program.
    const other = await whole(params, tf.neg(x), y, tf.neg(drawn));
    const again = await later(velocityOf(params, config, y), tf.neg(x), tf.neg(drawn));
    assert.ok(relativeError(other, again) < 1e-5);
    assert.is(whole.stats.traces.length, 1);
    await whole.dispose();
  });
}

test("there is a gradient through a whole sampler", async () => {
  // v = w x: one step of Euler from 1 to 0 in n steps is x (1 - w / n)^n.
  const end = (w: Tensor, x: Tensor): Tensor => eulerSamplerSync((x) => tf.mul(x, w), x, { steps: 4 });
  const gradient = jit((w: Tensor, x: Tensor) => tf.grads((w, x) => tf.sum(end(w, x)))([w, x])[0]);
  const [slope] = (await gradient(tf.scalar(0.4), tf.tensor1d([2]))).dataSync();
  assert.ok(Math.abs(slope - -2 * (1 - 0.1) ** 3) < 1e-6, `${slope}`);
  await gradient.dispose();
});

test("steps are counted without promises too, and a promise is refused", () => {
  const seen: number[][] = [];
  eulerSamplerSync((x) => x, x, { steps: 2, onStep: (...done) => seen.push(done) });
  assert.equal(seen, [
    [1, 2],
    [2, 2],
  ]);
  assert.throws(
    () => eulerSamplerSync(((x: Tensor) => Promise.resolve(x)) as never, x, { steps: 2 }),
    /^a sampler's velocity returned a promise; expected a tensor, or a sampler without Sync$/,
  );
  assert.throws(() => heunSamplerSync((x) => x, x, { steps: 0 }), /integer of at least 1, got 0/);
});

test.run();
