/** The SRA comparison: the same small SiT trained without and with SRA, and told no class. */

import type { MethodConfig } from "../align/index.ts";
import type { Dataset } from "../data/index.ts";
import { runComparison } from "./comparison.ts";
import type { Arm, ComparisonOptions } from "./options.ts";
import { type Scale, scaleConfig, scaleSRA, withoutClasses } from "./presets.ts";
import type { Results } from "./results.ts";

/** The comparison's, but for what this one decides. */
export type DemoOptions = Omit<ComparisonOptions, "arms" | "probeBlocks">;

/** The baseline first, so that SRA is set against it. */
export function demoArms(scale: Scale, dataset: Dataset): Arm[] {
  const [student, teacher] = scale.align;
  const configOf = (methods: MethodConfig[]) => (seed: number) =>
    withoutClasses(scaleConfig(scale, dataset, methods, seed));
  return [
    {
      name: "baseline",
      label: "SiT",
      phrase: "the baseline",
      config: configOf([]),
    },
    {
      name: "sra",
      label: `SiT + SRA (block ${student} to ${teacher})`,
      phrase: "SRA",
      config: configOf([scaleSRA(scale)]),
    },
  ];
}

/**
 * Compares SRA with the baseline and writes `results.json` into the folder.
 * Returns undefined when the signal stopped it; run again with `resume` to go on.
 */
export function runDemo(options: DemoOptions): Promise<Results | undefined> {
  const { scale, dataset } = options;
  const [student] = scale.align;
  return runComparison({
    ...options,
    arms: demoArms(scale, dataset),
    // Where SRA acts, and what moved in pilots with other seeds.
    probeBlocks: [{ block: student, label: `aligned block ${student}`, planned: true }],
  });
}
