/**
 * SRA, self-representation alignment (arXiv 2505.02831): the student's early block m at time t, through a projection
 * head, is drawn to the EMA teacher's later block n at the less noisy time t - k.
 */
import { intervalFault } from "../diffusion/levels.ts";
import type { Process } from "../diffusion/process.ts";
import { linearShapes } from "../nn/init.ts";
import { siluMlp } from "../nn/layers.ts";
import { atLeast0, count, flag, z } from "../schema.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";
import { namedScope } from "../tensor/scope.ts";
import type { Tensor } from "../tensor/tf.ts";
import { distanceOptions, featureDistance } from "./distances.ts";
import {
  type AddedParameters,
  addedLayers,
  blockFault,
  type Fault,
  type Method,
  type Setting,
  weight,
} from "./method.ts";

const interval = atLeast0("How much less noisy.");
export const intervalOption = z
  .union([interval, z.tuple([interval, interval]).readonly()], "a number of 0 or more, or two")
  .describe(
    "How much less noisy the teacher's input is: a fixed k, or uniform in [min, max) for each sample. A time for a SiT, a number of steps for a DiT.",
  );
type IntervalOption = z.infer<typeof intervalOption>;

export const sraConfig = distanceOptions.extend({
  method: z.literal("sra"),
  weight,
  studentBlock: count("Block m of the student, counted from 1."),
  teacherBlock: count("Block n of the teacher, counted from 1. The teacher runs no further."),
  interval: intervalOption,
  projectionHead: flag("Pass the student's features through the head (`ap_head`) before comparing."),
});
export type SRAConfig = z.infer<typeof sraConfig>;

/** The paper's defaults for a SiT (table 5); the blocks depend on the model. A DiT's interval is [0, 200]. */
export const SRA_DEFAULTS = {
  method: "sra",
  weight: 0.2,
  interval: [0, 0.2],
  distance: "smooth-l1",
  beta: 0.05,
  projectionHead: true,
} as const satisfies Partial<SRAConfig>;

const HEAD = "ap_head";

/** `ap_head`: D -> 2D, SiLU, 2D -> D (paper section 3.2). */
export const projectionHead = (params: Params, features: Tensor): Tensor => siluMlp(params, HEAD, features);

/** The parameters of that head for a width D; Self-Flow's is the same under another name. */
export function headParameters(width: number, name = HEAD): AddedParameters {
  return addedLayers(linearShapes([`${name}.linear1`, `${name}.linear2`], [width, 2 * width, width]));
}

/** A random k within an interval; a fixed one draws as many numbers. */
export function uniformInterval(interval: IntervalOption, random: RandomGenerator): number {
  const [min, max] = typeof interval === "number" ? [interval, interval] : interval;
  return Math.fround(min + (max - min) * random.uniform());
}

/** What is wrong with an interval of a process. */
export function intervalFaults(interval: IntervalOption, { config }: Process): Fault[] {
  const fault = intervalFault(interval, config.type === "gaussian" ? config.steps : undefined);
  return fault ? [["interval", fault]] : [];
}

const faultsOf = (config: SRAConfig, { network, process }: Setting): Fault[] => [
  ...blockFault("studentBlock", config.studentBlock, network),
  ...blockFault("teacherBlock", config.teacherBlock, network),
  ...intervalFaults(config.interval, process),
];

/** The method (paper eq. 4 to 6). Its batches draw `interval`, k [B]; the teacher sees time max(t - k, 0), or step t - k. */
export function sra(config: SRAConfig, { network, process }: Setting): Method {
  const { studentBlock, teacherBlock, projectionHead: hasHead, distance, cosineAxis, beta } = config;
  return {
    name: "sra",
    weight: config.weight,
    faults: faultsOf(config, { network, process }),
    taps: [studentBlock],
    ...(hasHead && { parameters: headParameters(network.width) }),
    draws: {
      interval(random) {
        const k = uniformInterval(config.interval, random);
        return process.config.type === "gaussian" ? Math.floor(k) : k;
      },
    },
    targets({ teacher, batch, condition, draws }) {
      const t = process.earlier(batch.t, draws.interval);
      const input = process.noised({ ...batch, t });
      return namedScope("teacher", () =>
        network.features(teacher, input, t, condition, { taps: [teacherBlock] }),
      );
    },
    loss({ params, features: [features], targets: [target] }) {
      const student = hasHead ? projectionHead(params, features) : features;
      return featureDistance(student, target, config);
    },
    describe: () => ({
      "student block m": studentBlock,
      "teacher block n": teacherBlock,
      "interval k": typeof config.interval === "number" ? config.interval : `uniform in [${config.interval}]`,
      distance:
        distance === "cosine"
          ? `cosine (${cosineAxis ?? "feature"} axis)`
          : `${distance}${distance === "smooth-l1" ? ` (beta ${beta ?? 0.05})` : ""}`,
      "projection head": hasHead,
    }),
  };
}
