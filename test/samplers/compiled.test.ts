/** The compiled loop gives the numbers of the sampler that calls its network step by step. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { INTERPOLANTS } from "../../lib/diffusion/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { DIT_DEFAULTS, initSiT, sit } from "../../lib/models/index.ts";
import { compiledSampler, plan } from "../../lib/samplers/compiled.ts";
import { classVelocity, eulerMaruyamaSampler, eulerSampler, heunSampler } from "../../lib/samplers/index.ts";
import { normalTensor, type Params, randomGenerator, type Tensor, tf } from "../../lib/tensor/index.ts";
import { relativeError } from "../parity.ts";
import { smallConfig } from "../train/small.ts";

const { model } = smallConfig();
const random = randomGenerator(4);
const params = initSiT(model, random);
for (const name of Object.keys(params))
  if (/adaLN|final/.test(name)) params[name] = normalTensor(random, params[name].shape);

const x = normalTensor(random, [3, model.inChannels, model.inputSize, model.inputSize]);
const y = tf.tensor1d([0, 1, 0], "int32");
const network = (params: Params) => (x: Tensor, t: Tensor, y: Tensor) => sit(params, model, x, t, y).velocity;
const compiled = compiledSampler(network, model.numClasses);
const called = jit((params: Params, x: Tensor, t: Tensor, y: Tensor) => network(params)(x, t, y));

for (const sampler of ["euler", "heun", "euler-maruyama"] as const) {
  for (const guidance of [undefined, { scale: 2 }, { scale: 3, interval: [0.2, 0.7] as const }]) {
    test(`${sampler}, guidance ${JSON.stringify(guidance)}`, async () => {
      for (const steps of [2, 11]) {
        for (const interpolant of sampler === "euler-maruyama" ? INTERPOLANTS : (["linear"] as const)) {
          const noise = () => {
            const source = randomGenerator(9);
            return () => normalTensor(source, x.shape);
          };
          const velocity = classVelocity((x, t, y) => called(params, x, t, y), y, model.numClasses, guidance);
          const expected =
            sampler === "euler-maruyama"
              ? await eulerMaruyamaSampler(velocity, x, { steps, interpolant, noise: noise() })
              : await (sampler === "euler" ? eulerSampler : heunSampler)(velocity, x, { steps });
          let result = x;
          const options = { scale: guidance?.scale ?? 1, interpolant, noise: noise() };
          for (const segment of plan({ sampler, steps, guidance }))
            result = await compiled.run(params, result, y, segment, options);
          assert.ok(
            relativeError(result, expected) < 1e-5,
            `${steps} steps: ${relativeError(result, expected)}`,
          );
        }
      }
    });
  }
}

test("a sampler that is not one for the model, or unknown, is refused", () => {
  const { diffusion } = DIT_DEFAULTS;
  assert.throws(
    () => plan({ sampler: "ddpm", steps: 5 }),
    /^sampler 'ddpm' is not one for a SiT; expected euler, heun, euler-maruyama$/,
  );
  assert.throws(
    () => plan({ sampler: "euler", steps: 5, diffusion }),
    /'euler' is not one for a DiT; expected ddpm, ddim$/,
  );
  assert.throws(
    () => plan({ sampler: "dpm" as never, steps: 5 }),
    /unknown sampler 'dpm'; expected one of euler, .*ddim$/,
  );
  assert.throws(() => plan({ sampler: "ddpm", steps: 1001, diffusion }), /1001/);
});

test("a DiT's guidance interval is in shares of its steps", () => {
  const segments = plan({
    sampler: "ddim",
    steps: 10,
    guidance: { scale: 2, interval: [0, 0.5] },
    diffusion: DIT_DEFAULTS.diffusion,
  });
  // Steps 999, 888, ... 555, then 444 ... 0.
  assert.equal(
    segments.map(({ guided, rows }) => [guided, rows.map(([t]) => t)]),
    [
      [false, [999, 888, 777, 666, 555]],
      [true, [444, 333, 222, 111, 0]],
    ],
  );
});

test("steps of one kind are one run, whatever their number", () => {
  assert.equal(
    plan({ sampler: "euler", steps: 50 }).map(({ rows }) => rows.length),
    [50],
  );
  const guided = plan({ sampler: "heun", steps: 20, guidance: { scale: 2, interval: [0.25, 0.75] } });
  assert.equal(
    guided.map(({ kind, guided, rows }) => [kind, guided, rows.length]),
    [
      ["heun", false, 5],
      ["heun", true, 11],
      ["heun", false, 3],
      ["euler", false, 1],
    ],
  );
});

test.run();
