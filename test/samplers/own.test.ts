/** A sampler of one's own, given in the place of a name: the plain loop, jit and the compiled loop run its one definition. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import {
  checkGenerate,
  defineSampler,
  networkPredictor,
  type Sampler,
  sample,
  sampleGenerator,
  sampleSync,
} from "../../lib/samplers/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";
import { smallDiT, smallSiT } from "./small.ts";

/** The midpoint method: a velocity at half the step, of second order. */
const midpoint = defineSampler({
  name: "midpoint",
  processes: ["interpolant"],
  numbers: ({ from, to, path }) => ({
    from,
    middle: path.at((from.t + to.t) / 2),
    dt: to.t - from.t,
    half: (to.t - from.t) / 2,
  }),
  *step({ x }, { from, middle, dt, half }) {
    const first = (yield { x, at: from }).velocity();
    const second = (yield { x: tf.add(x, tf.mul(first, half)), at: middle }).velocity();
    return { x: tf.add(x, tf.mul(second, dt)) };
  },
});

/** It remembers a velocity from step to step, and draws noise: all that a definition can say. */
const restless = (share: number): Sampler =>
  defineSampler({
    numbers: ({ from, to }) => ({ from, dt: to.t - from.t, noise: to.sigma === 0 ? 0 : share * to.sigma }),
    start: (x) => ({ x, before: tf.zerosLike(x) }),
    *step({ x, before }, { from, dt, noise }, z) {
      const now = (yield { x, at: from }).velocity();
      const moved = tf.add(x, tf.mul(tf.add(tf.mul(now, 0.8), tf.mul(before, 0.2)), dt));
      return { x: z ? tf.add(moved, tf.mul(z, noise)) : moved, before: now };
    },
  });

const [sit, dit] = [smallSiT(), smallDiT()];
const x = normalTensor(randomGenerator(1), [2, 1, 8, 8]);
const labels = [0, 1];
const y = tf.tensor1d(labels, "int32");
const steps = 5;
const drawn = normalTensor(randomGenerator(2), [steps - 1, 2, 1, 8, 8]);

test("its order is its method's, and it is what its formula says", async () => {
  // dx/dt = -2 t x from t = 1 to 0 is x exp(1).
  const velocity = (x: Tensor, t: number): Tensor => tf.mul(x, -2 * t);
  const one = tf.ones([1, 1, 1, 1]);
  const errorOf = async (steps: number): Promise<number> =>
    Math.abs((await sample(midpoint, velocity, one, { steps })).dataSync()[0] - Math.E);
  const ratio = (await errorOf(8)) / (await errorOf(16));
  assert.ok(ratio > 3.6 && ratio < 4.4, `${ratio}`);
});

for (const [name, sampler, noise] of [
  ["midpoint", midpoint, undefined],
  ["restless", restless(0.5), drawn],
] as const) {
  test(`${name}: the same step by step, whole inside jit, and in the generator`, async () => {
    const condition = { y };
    const guidance = { scale: 1.7, interval: [0, 0.8] } as const;
    const options = { steps, noise: (i: number) => tf.gather(drawn, i) as Tensor };
    const run = (params: Params, x: Tensor): Tensor =>
      sampleSync(sampler, networkPredictor(sit.network, params, { condition, guidance }), x, options);
    const expected = run(sit.params, x);
    const whole = jit(run);
    assert.ok(relativeError(await whole(sit.params, x), expected) < 1e-4);
    await whole.dispose();
    const generator = sampleGenerator(sit.network, sit.process);
    const asked = { labels, sampler, steps, guidance, latents: x, noise } as const;
    assert.ok(relativeError(await generator.generate(sit.params, asked), expected) < 1e-4);
    const seen: number[] = [];
    const onStep = ({ step }: { step: number }): void => void seen.push(step);
    assert.ok(relativeError(await generator.generate(sit.params, { ...asked, onStep }), expected) < 1e-4);
    assert.equal(seen, [1, 2, 3, 4, 5]);
    // Beside a named one, whose steps have other numbers.
    const euler = await generator.generate(sit.params, { labels, sampler: "euler", steps, latents: x });
    assert.ok(relativeError(euler, expected) > 1e-3);
    await generator.dispose();
  });
}

test("it is refused as a named one is", async () => {
  assert.throws(
    () => checkGenerate(dit.network, dit.process, { labels, sampler: midpoint, steps }),
    /^sampler 'midpoint' is not one for a Gaussian process; expected euler, /,
  );
  await rejects(
    sample(restless(1), (x) => x, x, { steps, process: SIT_PROCESS }),
    /^sampler 'of one's own' draws noise; expected the option noise, got none$/,
  );
  await rejects(
    sample(midpoint, (x) => x, x, { steps, eta: 1 }),
    /^eta is an option of the sampler 'ddim'; got eta 1 for 'midpoint'$/,
  );
  for (const wrong of [{}, undefined, 3, "constructor"])
    await rejects(
      sample(wrong as Sampler, (x) => x, x, { steps }),
      /^unknown sampler '.*'; expected one of euler, .*, edm, or one that defineSampler made$/,
    );
});

test.run();
