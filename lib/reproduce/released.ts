/** Tables 3 and 4 from the weights that the authors released: sampled and measured, with nothing trained. */
import type { InceptionMetrics } from "../metrics/index.ts";
import type { Experiment, ReleasedRow } from "./experiment.ts";
import type { RowResult } from "./result.ts";

/** ADM's reference batches by resolution, and where guided-diffusion publishes them. */
const BATCHES = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches/imagenet";
export const REFERENCE_BATCHES = {
  256: { file: "VIRTUAL_imagenet256_labeled.npz", url: `${BATCHES}/256/VIRTUAL_imagenet256_labeled.npz` },
  512: { file: "VIRTUAL_imagenet512.npz", url: `${BATCHES}/512/VIRTUAL_imagenet512.npz` },
} as const;

/** How the paper samples the models of tables 3 and 4 (appendix; table 5). */
export const RELEASED_SAMPLING = {
  model: "SiT-XL/2",
  vae: "sd-vae-ft-ema",
  count: 50_000,
  steps: 250,
} as const;
/** Times at which guidance acts. */
export const RELEASED_INTERVAL: readonly [low: number, high: number] = [0, 0.7];

/** The one row of released weights of the experiments that are asked for. @throws naming them where there is not one */
export function releasedRow(experiments: readonly Experiment[]): {
  experiment: Experiment;
  row: ReleasedRow;
} {
  const [experiment] = experiments;
  const [row, ...others] = experiment.released ?? [];
  if (experiments.length !== 1 || row === undefined || others.length > 0)
    throw new Error(
      `weights are measured for one table that is of released ones, table3 or table4; got ${experiments.map(({ id }) => id).join(", ")}`,
    );
  return { experiment, row };
}

/** A released row's values as its columns have them; what was not measured is left out. */
export function releasedResult(
  { columns }: Experiment,
  { id, label, paper }: ReleasedRow,
  measured: InceptionMetrics,
): RowResult {
  const values: Readonly<Record<string, number | undefined>> = {
    fid: measured.fid,
    sfid: measured.sfid,
    is: measured.is,
    precision: measured.precision,
    recall: measured.recall,
  };
  return {
    id,
    label,
    cells: columns.flatMap(({ id: column }) => {
      const value = values[column];
      if (value === undefined) return [];
      return [
        {
          column,
          ...(paper[column] !== undefined && { paper: paper[column] }),
          values: [value],
          mean: value,
        },
      ];
    }),
  };
}
