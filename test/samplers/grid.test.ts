/** The times of a sampler against their formulas, and what is no grid. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DIT_PROCESS, SIT_PROCESS } from "../../lib/diffusion/index.ts";
import { gridPoints } from "../../lib/samplers/grid.ts";
import { type Grid, sample, timeGrid, timeSteps } from "../../lib/samplers/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";
import { rejects } from "../io/helpers.ts";
import { relativeError } from "../parity.ts";

const near = (actual: number[], expected: number[]): void =>
  assert.ok(relativeError(actual, expected) < 1e-12, `${actual}`);

test("even times, a cosine's, shifted ones and a list", () => {
  assert.equal(timeSteps(1, 0, 4), [1, 0.75, 0.5, 0.25, 0]);
  assert.equal(timeGrid(4), [1, 0.75, 0.5, 0.25, 0]);
  assert.equal(timeGrid(4, { spacing: "uniform", shift: 1 }), timeGrid(4));
  near(timeGrid(4, { spacing: "cosine" }), [1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2, 0]);
  near(timeGrid(4, { shift: 3 }), [1, 0.9, 0.75, 0.5, 0]);
  near(timeGrid(4, { spacing: "cosine", shift: 3 }).slice(2), [
    0.75,
    (3 * (0.5 - Math.SQRT1_2 / 2)) / (1 + 2 * (0.5 - Math.SQRT1_2 / 2)),
    0,
  ]);
  assert.equal(timeGrid(3, [0.9, 0.4, 0.1, 0]), [0.9, 0.4, 0.1, 0]);
});

test("the released code's last step: even times from 1 to 0.04, then 0", () => {
  near(timeGrid(5, { last: 0.04 }), [1, 0.76, 0.52, 0.28, 0.04, 0]);
  near(timeGrid(3, { last: 0.1, shift: 3 }), [1, 1 - 0.9 * 0.25, 0.1, 0]);
  assert.equal(timeGrid(2, { last: 0.04 }), [1, 0.04, 0]);
});

test("Euler-Maruyama ends so unless another grid is asked for; other samplers go all the way evenly", async () => {
  const asked = async (name: "euler" | "euler-maruyama", grid?: Grid): Promise<number[]> => {
    const times: number[] = [];
    const velocity = (x: Tensor, t: number): Tensor => {
      times.push(t);
      return tf.zerosLike(x);
    };
    const noise = (_: number, shape: number[]): Tensor => tf.zeros(shape);
    await sample(name, velocity, tf.zeros([1, 1, 2, 2]), { steps: 5, grid, noise });
    return times;
  };
  near(await asked("euler-maruyama"), [1, 0.76, 0.52, 0.28, 0.04]);
  near(await asked("euler-maruyama", {}), [1, 0.8, 0.6, 0.4, 0.2]);
  near(await asked("euler"), [1, 0.8, 0.6, 0.4, 0.2]);
  near(await asked("euler", [1, 0.5, 0.2, 0.1, 0.05, 0]), [1, 0.5, 0.2, 0.1, 0.05]);
});

test("a Gaussian process takes steps: evenly, as a text says, or a list", () => {
  const taken = (steps: number, grid?: Grid): number[] =>
    gridPoints(DIT_PROCESS, steps, grid).map(({ t }) => t);
  assert.equal(taken(4), [999, 666, 333, 0, -1]);
  assert.equal(taken(4, "ddim4"), [750, 500, 250, 0, -1]);
  assert.equal(taken(4, "3,1"), [500, 499, 250, 0, -1]);
  assert.equal(taken(3, [900, 20, 1]), [900, 20, 1, -1]);
  const end = gridPoints(DIT_PROCESS, 4).at(-1)!;
  assert.equal([end.alpha, end.sigma], [1, 0]);
});

const REFUSED: [steps: number, grid: Grid, message: RegExp][] = [
  [0, {}, /^sampler steps must be an integer of at least 1, got 0$/],
  [1, { last: 0.04 }, /^sampler steps must be an integer of at least 2, got 1$/],
  [4, { last: 0 }, /^the grid's last step must begin at a time between 0 and 1, got 0$/],
  [4, { shift: 0 }, /^the grid's shift must be a finite number above 0, got 0$/],
  [4, { spacing: "sigmoid" as "cosine" }, /^the grid's spacing must be uniform or cosine, got 'sigmoid'$/],
  [4, [1, 0.5, 0], /^the grid must list 5 times within \[0, 1\], got 3 numbers$/],
  [2, [1, 1, 0], /^the grid must list times within \[0, 1\], descending, got 1 at position 1$/],
  [2, [1.5, 1, 0], /descending, got 1.5 at position 0$/],
  [2, [1, Number.NaN, 0], /got NaN at position 1$/],
  [4, "ddim4", /^the grid 'ddim4' is one of a Gaussian process; expected times, or how they are spaced$/],
];

for (const [steps, grid, message] of REFUSED)
  test(`refused: ${steps} steps of ${JSON.stringify(grid)}`, () => {
    assert.throws(() => timeGrid(steps, grid), message);
    assert.throws(() => gridPoints(SIT_PROCESS, steps, grid), message);
  });

test("what is no grid of a Gaussian process is refused", async () => {
  const refused = (steps: number, grid: Grid | undefined, message: RegExp): void =>
    assert.throws(() => gridPoints(DIT_PROCESS, steps, grid), message);
  refused(4, { shift: 3 }, /^the grid of a Gaussian process must be the steps that are taken: a list/);
  refused(4, "ddim5", /^the grid must list 4 steps from 0 to 999, got 5 numbers$/);
  refused(2, [999.5, 3], /^the grid must list steps from 0 to 999, descending, got 999.5 at position 0$/);
  refused(2, [3, 999], /got 999 at position 1$/);
  refused(1001, undefined, /1001/);
  await rejects(
    sample("ddim", (x) => x, tf.zeros([1, 1, 2, 2]), { steps: 4, process: DIT_PROCESS, grid: {} }),
    /^the grid of a Gaussian process must be/,
  );
});

test.run();
