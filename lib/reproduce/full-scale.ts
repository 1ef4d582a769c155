/** Experiments at the paper's scale: the configs of their trainings, and a script of commands that train, sample and measure. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { claimFolder } from "../io/folders.ts";
import { writeAtomic } from "../io/index.ts";
import type { TrainConfig } from "../train/config.ts";
import type { Experiment, ModelSetting, PictureRow, ReleasedRow } from "./experiment.ts";
import { textCommands } from "./full-text.ts";
import { REFERENCE_BATCHES, RELEASED_INTERVAL, RELEASED_SAMPLING } from "./released.ts";
import { runNames, runsOf } from "./runs.ts";
import { fullConfig } from "./scales.ts";

export interface FullPlan {
  /** By the name of a run. */
  readonly configs: Readonly<Record<string, TrainConfig>>;
  /** For a shell, in order; each goes on where it was cut off. */
  readonly commands: readonly string[];
}

const { count: IMAGES, model: MODEL, vae: VAE, steps: STEPS } = RELEASED_SAMPLING;
const SAMPLER = `--sampler sde --steps ${STEPS}`;
const evaluate = (name: string, resolution: 256 | 512): string =>
  `npx ditlab evaluate samples/${name}.npz --reference ${REFERENCE_BATCHES[resolution].file} --json > results/${name}.json`;

const samplerOf = ({ family }: ModelSetting): string =>
  family === "DiT" ? `--sampler ddpm --steps ${STEPS}` : SAMPLER;

function trainingCommands(name: string, setting: ModelSetting, config: TrainConfig): string[] {
  if (setting.family === "MMDiT") return textCommands(name, config);
  const sampler = samplerOf(setting);
  return [
    `npx ditlab train --config configs/${name}.json --images shards --out runs/${name} $(test -e runs/${name}/checkpoints && echo --resume)`,
    `npx ditlab sample runs/${name} --vae ${VAE} ${sampler} --count ${IMAGES} --out samples/${name}.npz`,
    evaluate(name, 256),
  ];
}

/** Pictures of a trained run; samples that nobody chose are as many as fill a grid. */
function pictureCommand(name: string, { id, setting, shown }: PictureRow): string {
  if (shown.of === "features")
    return `npx ditlab probe runs/${name} --images shards --pictures --blocks ${shown.blocks.join(" ")} --times ${shown.times.join(" ")} --out results/${id}`;
  return `npx ditlab sample runs/${name} --vae ${VAE} ${samplerOf(setting)} --count 64 --out samples/${id}.npz --grid results/${id}.png`;
}

const releasedCommands = ({ id, checkpoint, resolution, guidance }: ReleasedRow): string[] => [
  `npx ditlab sample --checkpoint ${checkpoint} --model ${MODEL} --vae ${VAE} ${SAMPLER} --guidance ${guidance} --guidance-interval ${RELEASED_INTERVAL.join(" ")} --count ${IMAGES} --out samples/${id}.npz`,
  evaluate(id, resolution),
];

/** Plans experiments, with the seeds from 0 to below `seeds`. */
export function fullPlan(experiments: readonly Experiment[], seeds = 1): FullPlan {
  const configs: Record<string, TrainConfig> = {};
  const commands: string[] = ["mkdir -p runs samples results"];
  for (const run of runsOf(experiments, fullConfig))
    for (let seed = 0; seed < seeds; seed++) {
      const name = `${run.name}-seed${seed}`;
      configs[name] = fullConfig(run.setting, seed);
      commands.push(`# ${run.rows.join(", ")}`, ...trainingCommands(name, run.setting, configs[name]));
    }
  const nameOf = runNames(fullConfig);
  for (const { id, pictures = [] } of experiments)
    for (const row of pictures)
      commands.push(`# ${id} ${row.id}`, pictureCommand(`${nameOf(row.setting)}-seed0`, row));
  for (const { id, released = [] } of experiments)
    for (const row of released) commands.push(`# ${id} ${row.id}`, ...releasedCommands(row));
  return { configs, commands };
}

/** Writes `configs/*.json` and `commands.sh` into a folder. @returns the script's path */
export async function writeFullPlan(folder: string, { configs, commands }: FullPlan): Promise<string> {
  const makes = ["commands.sh", "configs/*.json"];
  await claimFolder(folder, { kind: "plan of a reproduction", identity: {}, makes });
  await mkdir(join(folder, "configs"), { recursive: true });
  for (const [name, config] of Object.entries(configs))
    await writeAtomic(join(folder, "configs", `${name}.json`), `${JSON.stringify(config, null, 2)}\n`);
  const script = join(folder, "commands.sh");
  const about = [
    "#!/bin/sh",
    "# Trains, samples and measures. docs/paper-scale.md says how shards, the VAE and the reference are prepared; both lie here.",
    'set -e; cd "$(dirname "$0")"',
  ];
  await writeAtomic(script, `${[...about, ...commands].join("\n")}\n`);
  return script;
}
