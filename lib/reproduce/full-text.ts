/** Table 2 at the paper's scale: the commands that train, sample and measure text to image on COCO. */
import { TEXT_GUIDANCE } from "../train/caption-condition.ts";
import type { TrainConfig } from "../train/config.ts";
import { RELEASED_SAMPLING } from "./released.ts";

/** Pictures that the released code draws: one for each validation image, as far as they fill batches. */
const IMAGES = 40_192;
/** The table's sampler, and the stochastic one that REPA's table has beside it. */
const SAMPLERS = { ode: "--sampler euler --steps 50", sde: "--sampler sde --steps 250" } as const;

/** What the commands take, beside the configs; docs/howto/captions.md says how each is prepared. */
const SHARDS = "coco-shards";
const [CAPTIONS, HELD_OUT] = ["coco-captions", "coco-val-captions"];
const STATISTICS = "fid_stats_mscoco256_val.npz";
const PICKSCORE = "PickScore_v1";

/** Features of encoders that a training's methods are drawn to, by the name of their array. */
function arraysOf({ methods }: TrainConfig): string {
  const names = methods.flatMap((config) =>
    "encoders" in config ? config.encoders.map(({ array }) => array) : [],
  );
  return [...new Set(names)].map((name) => ` --array ${name}=coco-${name}`).join("");
}

/** Trains a run, draws a picture for each of the first captions with both samplers, and measures those. */
export function textCommands(name: string, config: TrainConfig): string[] {
  const train = `npx ditlab train --config configs/${name}.json --images ${SHARDS} --captions ${CAPTIONS}${arraysOf(config)} --out runs/${name} $(test -e runs/${name}/checkpoints && echo --resume)`;
  return [
    train,
    ...Object.entries(SAMPLERS).flatMap(([sampler, options]) => {
      const drawn = `${name}-${sampler}`;
      return [
        `npx ditlab sample runs/${name} --vae ${RELEASED_SAMPLING.vae} ${options} --guidance ${TEXT_GUIDANCE} --captions ${HELD_OUT} --count ${IMAGES} --out samples/${drawn}.npz`,
        `npx ditlab evaluate samples/${drawn}.npz --reference ${STATISTICS} --suite pytorch-fid --metrics fid --captions ${HELD_OUT} --pickscore ${PICKSCORE} --json > results/${drawn}.json`,
      ];
    }),
  ];
}
