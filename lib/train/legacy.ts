/** What ditlab 0.1 and 0.2 wrote, as this version has it: their configs, and how 0.1 drew its numbers. */
import { gaussianConfig } from "../diffusion/gaussian.ts";
import { INTERPOLANTS, TIME_DISTRIBUTIONS } from "../diffusion/interpolants.ts";
import { schedule } from "../optim/schedules.ts";
import { check, flag, oneOf, z } from "../schema.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import type { Draws } from "./draws.ts";

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a model of 0.1 or 0.2 had that it has no more. */
const oldModel = z.looseObject({
  diffusion: gaussianConfig.omit({ type: true }).optional(),
  projectionHead: flag("Carry SRA's head.").optional(),
});
/** The same of a training config; the settings of `sra` are checked as those of the method that they become. */
const oldConfig = z.looseObject({
  model: oldModel,
  sra: z
    .looseObject({
      method: z.undefined("left out, for sra says it").optional(),
      weight: z.undefined("left out, for alignWeight says it").optional(),
    })
    .optional(),
  alignWeight: schedule.optional(),
  interpolant: oneOf(INTERPOLANTS, "The path of a SiT.").optional(),
  timeDistribution: oneOf(TIME_DISTRIBUTIONS, "Training times of a SiT.").optional(),
});

/** A model and, if it is known, its process. */
export interface OldModel {
  model: unknown;
  process?: Fields;
}

/**
 * A model's config as it is now, and its process: of a training config the one that it says, of a model of 0.1 or 0.2 the
 * one that it carried. What is of now stays as it is.
 * @throws where what it carried is not what 0.2 took.
 */
export function currentModel(value: unknown): OldModel {
  if (!isFields(value)) return { model: value };
  if ("model" in value) return currentConfig(value) as OldModel;
  check(oldModel, value, "model config");
  const { diffusion, projectionHead: _, ...model } = value;
  if (!isFields(diffusion)) return { model };
  const { learnSigma } = diffusion;
  return {
    model: learnSigma === true ? { ...model, outChannels: 2 * Number(model.inChannels) } : model,
    process: { type: "gaussian", ...diffusion },
  };
}

/**
 * A training config as it is now: `methods` for `sra` and `alignWeight`, `process` for `interpolant`, `timeDistribution`
 * and the model's `diffusion`. What is of now stays as it is; whether it is right is for the schema to say.
 * @throws where what has another place now is not what 0.2 took: it would be lost on the way.
 */
export function currentConfig(value: unknown): unknown {
  if (!isFields(value) || "process" in value || "methods" in value) return value;
  if (!("interpolant" in value || "alignWeight" in value || "sra" in value)) return value;
  check(oldConfig, value, "train config");
  const { sra, alignWeight, interpolant, timeDistribution, model: oldModel, ...rest } = value;
  const { model, process } = currentModel(oldModel);
  return {
    ...rest,
    model,
    process: process ?? { type: "interpolant", path: interpolant, times: timeDistribution },
    methods: isFields(sra) ? [{ method: "sra", weight: alignWeight, ...sra }] : [],
  };
}

/**
 * How 0.1 drew a batch's numbers: all of them from one generator, one purpose after the other, the last of them an
 * interval for each sample whether or not there was SRA.
 */
export function draws01(random: RandomGenerator, count: number): Draws & { end(): void } {
  let hasInterval = false;
  const draw: Draws = (purpose, of) => {
    if (purpose === "interval") hasInterval = true;
    return Float32Array.from(of(random, count, 0));
  };
  return Object.assign(draw, {
    end: () => {
      if (!hasInterval) random.uniforms(count);
    },
  });
}
