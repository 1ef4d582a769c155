/**
 * SRA-DTS-AS, dual-time scheduling with attention separation (arXiv 2607.02508): the tokens of each image are split into
 * random groups, each noised at a time of its own and seeing itself alone; the student is drawn to an EMA teacher that sees
 * the same groups a little less noisy. All of it is left out when sampling: one time, and full attention.
 */

import { count, flag, oneOf, share, z } from "../schema.ts";
import { type Tensor, tf } from "../tensor/tf.ts";
import { distanceOptions, featureDistance } from "./distances.ts";
import { drawOrder, groupRatios, groupSizes, membersOf, ofGroup, together } from "./groups.ts";
import {
  blockFault,
  type Fault,
  type Method,
  type Setting,
  type Sight,
  type TeacherView,
  timesFault,
  weight,
} from "./method.ts";
import { headParameters, intervalFaults, intervalOption, projectionHead, uniformInterval } from "./sra.ts";

const TEACHERS = ["sra", "same", "self-flow", "self-flow-released"] as const;

export const dtsASConfig = distanceOptions.extend({
  method: z.literal("dts-as"),
  weight,
  studentBlock: count("Block m of the student, counted from 1."),
  teacherBlock: count("Block n of the teacher, counted from 1. The teacher runs no further."),
  ratios: groupRatios,
  dualTime: flag("Each group has a time of its own; otherwise all have that of the first."),
  separation: flag(
    "Tokens see their own group alone, in all blocks of the student and, with it, of the teacher.",
  ),
  fullSamples: share(
    "Of two groups, the probability that a sample is one group after all. With it attention takes a mask, which costs more.",
  ),
  teacher: oneOf(
    TEACHERS,
    "What the teacher sees: each group less noisy by an interval of its own (sra, the paper's); the student's input (same); all tokens at the earliest time and all of them together (self-flow); or, as the released code has that with a mask, clean latents for all groups but the first (self-flow-released).",
  ),
  interval: intervalOption,
});
export type DTSASConfig = z.infer<typeof dtsASConfig>;

/** The recommended run: a quarter of the tokens in one group, cosine at weight 0.5. The blocks depend on the model. */
export const DTS_AS_DEFAULTS = {
  method: "dts-as",
  weight: 0.5,
  ratios: [0.25, 0.75],
  dualTime: true,
  separation: true,
  fullSamples: 0,
  teacher: "sra",
  interval: [0, 0.2],
  distance: "cosine",
} as const satisfies Partial<DTSASConfig>;

function faultsOf(config: DTSASConfig, { network, process }: Setting): Fault[] {
  const { studentBlock, teacherBlock, ratios, fullSamples } = config;
  const faults: Fault[] = [
    ...blockFault("studentBlock", studentBlock, network),
    ...blockFault("teacherBlock", teacherBlock, network),
    ...timesFault({ network, process }),
  ];
  // Of another process an interval in times says nothing.
  if (process.config.type === "interpolant") faults.push(...intervalFaults(config.interval, process));
  if (groupSizes(ratios, network.tokens).includes(0))
    faults.push(["ratios", `such that each group has one of the ${network.tokens} tokens at least`]);
  if (fullSamples > 0 && ratios.length !== 2)
    faults.push(["fullSamples", `0 with ${ratios.length} groups; it is of two`]);
  return faults;
}

/** The groups of a batch: who is in them, their times [B,groups], and how the student looks at them. */
interface Grouped {
  members: Tensor[];
  times: Tensor;
  attention: Pick<Sight, "attentionMask" | "attentionGroups">;
}

/** The method. Its batches draw `tokens` (an order, and the places in it) [B,2T], `times` and `interval` [B,groups], `full` [B]. */
export function dtsAS(config: DTSASConfig, { network, process }: Setting): Method {
  const { studentBlock, teacherBlock, ratios, dualTime, separation, fullSamples, teacher } = config;
  const sizes = groupSizes(ratios, network.tokens);
  const groups = sizes.length;
  const isOneTime = !dualTime || groups === 1;

  function grouped({ tokens, times, full }: Readonly<Record<string, Tensor>>): Grouped {
    const [order, places]: Tensor[] = tf.split(tokens, 2, 1);
    let members = membersOf(places, sizes);
    if (full) {
      // Such a sample is all of its second group.
      const whole = tf.reshape(full, [-1, 1]);
      const [first, second] = members;
      members = [tf.mul(first, tf.sub(1, whole)), tf.maximum(second, whole)];
    }
    const all = isOneTime ? tf.tile(tf.slice(times, [0, 0], [-1, 1]), [1, groups]) : times;
    if (!separation || groups === 1) return { members, times: all, attention: {} };
    const attention = full
      ? { attentionMask: together(members) }
      : { attentionGroups: { order: tf.cast(order, "int32"), places: tf.cast(places, "int32"), sizes } };
    return { members, times: all, attention };
  }

  const firstOf = (times: Tensor): Tensor => tf.reshape(tf.slice(times, [0, 0], [-1, 1]), [-1]);

  /** What the teacher's input is noised at, what it is told, and who sees whom. */
  function teacherSight({ batch, sight, draws }: TeacherView): Sight & { noised: Tensor } {
    if (teacher === "same") return { ...sight, noised: sight.t };
    const { members, times, attention } = grouped(draws);
    if (teacher === "sra") {
      const earlier = process.earlier(times, draws.interval);
      const t = groups === 1 ? firstOf(earlier) : ofGroup(members, earlier);
      return { t, noised: t, ...attention };
    }
    const earliest: Tensor = batch.t.rank === 1 ? batch.t : tf.min(batch.t, 1);
    if (teacher === "self-flow") return { t: earliest, noised: earliest };
    return { t: earliest, noised: tf.mul(members[0], tf.reshape(earliest, [-1, 1])), ...attention };
  }

  return {
    name: "dts-as",
    weight: config.weight,
    faults: faultsOf(config, { network, process }),
    taps: [studentBlock],
    parameters: headParameters(network.width),
    draws: {
      tokens: (random) => drawOrder(random, network.tokens),
      times: (random) => process.drawTimes(random, groups),
      interval: (random) => Array.from({ length: groups }, () => uniformInterval(config.interval, random)),
      ...(fullSamples > 0 && { full: (random) => (random.uniform() < fullSamples ? 1 : 0) }),
    },
    sight(_batch, draws) {
      const { members, times, attention } = grouped(draws);
      return { t: isOneTime ? firstOf(times) : ofGroup(members, times), ...attention };
    },
    targets(view) {
      const { t, noised, ...attention } = teacherSight(view);
      const input = process.noised({ ...view.batch, t: noised });
      // As released, it is told what an image is of even where the student is not.
      const { condition } = view.batch;
      return network.features(view.teacher, input, t, condition, { taps: [teacherBlock], ...attention });
    },
    loss: ({ params, features: [features], targets: [target] }) =>
      featureDistance(projectionHead(params, features), target, config),
    describe: () => ({
      "student block m": studentBlock,
      "teacher block n": teacherBlock,
      groups: sizes.join(" + "),
      times: isOneTime ? "one" : "one a group",
      "attention separation": separation,
      teacher,
    }),
  };
}
