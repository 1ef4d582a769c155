/** DiT's samplers as one compiled loop, against the reference's; the rest of its fixtures is in the parity table. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { tensorsOf } from "../../lib/io/index.ts";
import { transformer } from "../../lib/models/index.ts";
import { compiledSampler, plan } from "../../lib/samplers/compiled.ts";
import { type Params, type Tensor, tf } from "../../lib/tensor/index.ts";
import { arrays, relativeError } from "../parity.ts";
import { CONFIG, drawn, lossBatch, model, respacedFor } from "./dit.ts";

const { note_cfg: _, ...given } = await arrays("dit-samplers.npz");
const samples = tensorsOf(given);
const y = tf.cast(samples.y, "int32");
const STEPS = respacedFor(given).betas.length;
const network = (params: Params) => (x: Tensor, t: Tensor, y: Tensor) =>
  transformer(params, CONFIG, x, t, y).output;

test("the fixture of the losses has a teacher's step that has to be clamped", () => {
  const steps = tf.sub(lossBatch.t, lossBatch.k).dataSync();
  assert.ok(steps.some((step) => step < 1));
});

const CASES = {
  ddpm: { sampler: "ddpm", noise: "eps_ddpm" },
  ddim_eta0: { sampler: "ddim", noise: "eps_ddpm" },
  ddpm_cfg4: { sampler: "ddpm", noise: "eps_ddpm_cfg4", guidance: { scale: 4, channels: 3 } },
} as const;

for (const [name, options] of Object.entries(CASES)) {
  const { sampler, noise } = options;
  const guidance = "guidance" in options ? options.guidance : undefined;

  test(`${name}, one compiled loop`, async () => {
    const compiled = compiledSampler(network, CONFIG.numClasses, CONFIG.diffusion);
    let x = samples.latents;
    let index = 0;
    const run = {
      scale: guidance?.scale ?? 1,
      channels: guidance?.channels,
      interpolant: "linear" as const,
      noise: () => drawn(samples[noise], samples.latents)(index++),
    };
    for (const segment of plan({ sampler, steps: STEPS, guidance, diffusion: CONFIG.diffusion }))
      x = await compiled.run(model, x, y, segment, run);
    assert.is(index, sampler === "ddpm" ? STEPS - 1 : 0, "the last step draws nothing");
    assert.ok(relativeError(x, samples[name]) < 1e-3, `${relativeError(x, samples[name])}`);
    await compiled.dispose();
  });
}

test.run();
