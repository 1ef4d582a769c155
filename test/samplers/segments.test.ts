/** How steps become runs of a compiled program. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { segmentsOf } from "../../lib/samplers/compiled.ts";
import type { Guidance, SamplerName, SamplerSchedule, SamplerSettings } from "../../lib/samplers/index.ts";
import { layoutOf, numbersAt, tableOf } from "../../lib/samplers/numbers.ts";
import { planSteps } from "../../lib/samplers/plan.ts";
import { tf } from "../../lib/tensor/index.ts";

const runs = (
  name: SamplerName,
  options: SamplerSchedule & SamplerSettings,
  guidance?: Guidance,
  process: Parameters<typeof planSteps>[1] = SIT_PROCESS,
) =>
  segmentsOf(name, planSteps(name, process, options), guidance).map(({ guided, noisy, steps }) => ({
    guided,
    noisy,
    times: steps.map(({ from }) => (from as { t: number }).t),
  }));

test("steps whose numbers have the same names are one run, whatever their number", () => {
  assert.equal(
    runs("euler", { steps: 50 }).map(({ times }) => times.length),
    [50],
  );
  assert.equal(
    runs("dpm-solver++", { steps: 50 }).map(({ times }) => times.length),
    [50],
  );
  // Heun's last step is another: it has no second velocity.
  const guided = runs("heun", { steps: 20 }, { scale: 2, interval: [0.25, 0.75] });
  assert.equal(
    guided.map(({ guided, times }) => [guided, times.length]),
    [
      [false, 5],
      [true, 11],
      [false, 3],
      [false, 1],
    ],
  );
});

test("steps that draw noise are few a run, their last among them", () => {
  assert.equal(
    runs("euler-maruyama", { steps: 20 }).map(({ noisy, times }) => [noisy, times.length]),
    [
      [true, 8],
      [true, 8],
      [true, 4],
    ],
  );
  assert.equal(
    runs("ddim", { steps: 20, eta: 0 }).map(({ noisy, times }) => [noisy, times.length]),
    [[false, 20]],
  );
});

test("a DiT's guidance interval is in shares of its steps", () => {
  assert.equal(
    runs("ddim", { steps: 10 }, { scale: 2, interval: [0, 0.5] }, DIT_PROCESS).map(({ guided, times }) => [
      guided,
      times,
    ]),
    [
      [false, [999, 888, 777, 666, 555]],
      [true, [444, 333, 222, 111, 0]],
    ],
  );
});

test("a table gives every step its numbers back under their names", () => {
  const point = (t: number) => ({ t, time: t + 1, alpha: t + 2, sigma: t + 3, dAlpha: t + 4, dSigma: t + 5 });
  const steps = [10, 20, 30].map((t) => ({ from: point(t), dt: -t, to: point(2 * t), noise: t / 2 }));
  const table = tableOf(steps);
  assert.equal(table.shape, [64, 14]);
  const layout = layoutOf(steps[0]);
  assert.equal(layout, layoutOf(steps[1]));
  assert.not.equal(layout, layoutOf({ from: point(1), dt: 2, noise: 0 }));
  const read = JSON.parse(
    JSON.stringify(numbersAt(table, tf.scalar(1, "int32"), layout), (_, value) =>
      value instanceof tf.Tensor ? value.dataSync()[0] : value,
    ),
  );
  assert.equal(read, steps[1]);
});

test.run();
