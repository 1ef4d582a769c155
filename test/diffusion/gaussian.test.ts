/** Gaussian diffusion against the published schedules, and against its own definitions. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { betaSchedule, gaussianDiffusion, respace, respacedTimesteps } from "../../lib/diffusion/index.ts";
import { toFloat64 } from "../../lib/io/index.ts";
import { arrays } from "../parity.ts";

const fixture = await arrays("dit-schedule.npz");
const close = (actual: ArrayLike<number>, name: string, tolerance = 1e-12): void => {
  const expected = toFloat64(fixture[name]);
  assert.is(actual.length, expected.length, name);
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs(actual[i] - expected[i]) <= tolerance * Math.abs(expected[i]),
      `${name}[${i}]: ${actual[i]}, expected ${expected[i]}`,
    );
};

const full = gaussianDiffusion(betaSchedule("linear"));

test("linear betas and all that follows from them", () => {
  close(full.betas, "betas");
  close(full.alphasCumprod, "alphas_cumprod");
  close(full.posteriorVariance, "posterior_variance", 1e-9);
  close(full.posteriorLogVarianceClipped, "posterior_log_variance_clipped", 1e-9);
  close(full.posteriorMeanCoef1, "posterior_mean_coef1", 1e-9);
  close(full.posteriorMeanCoef2, "posterior_mean_coef2", 1e-9);
});

test("squared cosine betas", () => close(betaSchedule("squaredcos_cap_v2"), "squaredcos_betas", 1e-9));

test("respaced steps and their betas", () => {
  const some = respace(full, respacedTimesteps("250"));
  close(some.timesteps, "respaced_250_timesteps", 0);
  close(some.betas, "respaced_250_betas", 1e-9);
  close(respacedTimesteps("ddim50"), "ddim50_timesteps", 0);
  close(respacedTimesteps("10,15,20"), "respaced_10_15_20_timesteps", 0);
});

test("respacing keeps the noise levels, also twice", () => {
  const half = respace(full, respacedTimesteps("500"));
  const some = respace(half, respacedTimesteps("100", 500));
  for (const [i, t] of some.timesteps.entries())
    assert.ok(Math.abs(some.alphasCumprod[i] / full.alphasCumprod[t] - 1) < 1e-12);
  assert.is(some.timesteps[0], 0);
  assert.is(some.timesteps[99], 999);
});

test("one step, and what cannot be", () => {
  assert.equal([...respacedTimesteps("1")], [0]);
  assert.equal([...respacedTimesteps("1,1")], [0, 500]);
  const one = gaussianDiffusion(betaSchedule("linear", 1));
  assert.ok(Number.isFinite(one.posteriorLogVarianceClipped[0]));
  for (const [make, message] of [
    [
      () => respacedTimesteps("1001"),
      "cannot keep '1001' of 1000 diffusion steps: a part of 1000 steps has no 1001",
    ],
    [
      () => respacedTimesteps("ddim300"),
      "cannot keep 'ddim300' of 1000 diffusion steps: no stride gives 300",
    ],
    [
      () => respacedTimesteps("many"),
      "cannot keep 'many' of 1000 diffusion steps: expected a number, numbers with commas, or ddim and a number",
    ],
    [
      () => betaSchedule("quadratic" as "linear"),
      "unknown beta schedule 'quadratic'; expected one of linear, squaredcos_cap_v2",
    ],
    [() => betaSchedule("linear", 0), "diffusion steps must be an integer of at least 1, got 0"],
    [() => gaussianDiffusion(Float64Array.of(0.1, -1)), "beta 1 must be above 0 and at most 1, got -1"],
  ] as [() => unknown, string][])
    assert.throws(make, (error: Error) => error.message === message || assert.unreachable(error.message));
});

test.run();
