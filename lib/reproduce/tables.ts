/** Tables 1, 3, 4, 6 and 7 of the paper as experiments. */
import type { Claim, Column, Experiment, ModelSetting, ReleasedRow, Row, Sizes } from "./experiment.ts";
import { FAMILIES, PAPER_CHOICE, SIZES, TABLE_1, TABLE_3, TABLE_4, TABLE_6, TABLE_7 } from "./paper.ts";

/** Distances and scores are of the scale's own feature network where that is not the paper's. */
export const QUALITY: readonly Column[] = [
  { id: "fid", label: "FID", digits: 2, better: "lower" },
  { id: "is", label: "IS", digits: 2, better: "higher" },
];

const qualityRow = (
  id: string,
  label: string,
  setting: ModelSetting,
  paper: { readonly fid: number; readonly is: number },
): Row => ({
  id,
  label,
  cells: (["fid", "is"] as const).map((of) => ({
    column: of,
    setting,
    reading: { of, share: 1 },
    paper: paper[of],
  })),
});

/** SiT-B, with SRA where it is said how. */
const sitB = (sra?: ModelSetting["sra"]): ModelSetting => ({ family: "SiT", size: "B", ...(sra && { sra }) });
const BASELINE = qualityRow("baseline", "SiT-B without SRA", sitB(), {
  fid: TABLE_1[0][2],
  is: TABLE_1[0][3],
});

const claimOf = (id: string, about: string, rows: readonly string[], column = "fid"): Claim => ({
  id,
  about,
  cells: rows.map((row) => [row, column] as const),
});

export function table1(): Experiment {
  const rows = TABLE_1.map(([id, change, fid, is]) => {
    if (!change) return BASELINE;
    const sra = { ...PAPER_CHOICE, ...change };
    const k = typeof sra.interval === "number" ? `k = ${sra.interval}` : `k in [${sra.interval.join(", ")})`;
    const [m, n] = sra.layers;
    const label = `blocks ${m} to ${n}, ${k}, lambda ${sra.lambda}${sra.head ? "" : ", no head"}`;
    return qualityRow(id, label, sitB(sra), { fid, is });
  });
  const ids = rows.map(({ id }) => id);
  const group = (prefix: string): string[] => ids.filter((id) => id.startsWith(prefix));
  return {
    id: "table1",
    title: "Table 1: which blocks, interval, weight and head",
    about:
      "The parts of SRA one by one. The paper: SiT-B/2, ImageNet 256x256, 400,000 steps, 50,000 images without guidance.",
    columns: QUALITY,
    rows,
    claims: [
      claimOf("all", "all rows by FID", ids),
      claimOf("all-is", "all rows by IS", ids, "is"),
      claimOf("layers", "blocks m to n by FID", ["baseline", ...group("layers-")]),
      claimOf("interval", "intervals k by FID", group("interval-")),
      claimOf("lambda", "weights lambda by FID", ["baseline", ...group("lambda-")]),
      claimOf("head", "without and with the head by FID", group("head-")),
    ],
    against: "baseline",
  };
}

export function table6(): Experiment {
  const row = (average: keyof typeof TABLE_6, label: string): Row =>
    qualityRow(`ema-${average}`, label, { ...sitB(PAPER_CHOICE), average }, TABLE_6[average]);
  const rows = [
    BASELINE,
    row("none", "the teacher is the student (decay 0)"),
    row("rising", "a decay that rises to 1 (the paper's from 0.996)"),
    row("slow", "a slow average (the paper's decay 0.9999)"),
  ];
  return {
    id: "table6",
    title: "Table 6: the teacher's moving average",
    about: "SRA with three teachers. The paper: as in table 1.",
    columns: QUALITY,
    rows,
    claims: [
      claimOf(
        "all",
        "the teachers by FID",
        rows.slice(1).map(({ id }) => id),
      ),
    ],
    against: "baseline",
  };
}

const COSTS: readonly Column[] = [
  { id: "memory", label: "memory", digits: 3, better: "lower" },
  { id: "seconds", label: "time a step", digits: 3, better: "lower" },
  { id: "flops", label: "products a step", digits: 3, better: "lower" },
];

/** @param sizes of which models are measured */
export function table7({ trained }: Sizes): Experiment {
  const rows = FAMILIES.flatMap((family) =>
    SIZES.filter((size) => trained.includes(size)).map((size): Row => {
      const [[memory, hours], [more, longer]] = TABLE_7[`${family}-${size}`];
      const against: ModelSetting = { family, size };
      const setting: ModelSetting = { ...against, sra: "paper" };
      const paper = { memory: more / memory, seconds: longer / hours, flops: undefined };
      return {
        id: `${family}-${size}-sra`.toLowerCase(),
        label: `${family}-${size} + SRA`,
        cells: (["memory", "seconds", "flops"] as const).map((of) => ({
          column: of,
          setting,
          reading: { of, against },
          ...(paper[of] !== undefined && { paper: paper[of] }),
        })),
      };
    }),
  );
  return {
    id: "table7",
    title: "Table 7: what SRA costs",
    about:
      "As multiples of the same model without SRA. The paper: 8 A100, batch 256; its time is that of an epoch. Memory here is what weights, optimizer, activations and gradients are planned to take.",
    columns: COSTS,
    rows,
    claims: [],
  };
}

const SUITE: readonly Column[] = [
  ...QUALITY.slice(0, 1),
  { id: "sfid", label: "sFID", digits: 2, better: "lower" },
  ...QUALITY.slice(1),
  { id: "precision", label: "precision", digits: 2, better: "higher" },
  { id: "recall", label: "recall", digits: 2, better: "higher" },
];

export const table3 = (): Experiment => ({
  id: "table3",
  title: "Table 3: SiT-XL/2 + SRA at 256x256, with guidance",
  about: "The released weights, sampled and measured: 50,000 images, ADM's evaluation.",
  columns: SUITE,
  rows: [],
  claims: [],
  released: [released("sit-xl-sra-ep800", "800 epochs", "sitxl-sra-res256-ep800", 256, TABLE_3)],
});

export const table4 = (): Experiment => ({
  id: "table4",
  title: "Table 4: SiT-XL/2 + SRA at 512x512, with guidance",
  about: "The released weights, sampled and measured: 50,000 images, ADM's evaluation.",
  columns: SUITE,
  rows: [],
  claims: [],
  released: [released("sit-xl-sra-512-ep400", "400 epochs", "sitxl-sra-res512-ep400", 512, TABLE_4)],
});

function released(
  id: string,
  label: string,
  checkpoint: string,
  resolution: 256 | 512,
  table: typeof TABLE_3,
): ReleasedRow {
  // Table 5's guidance scales.
  return { id, label, checkpoint, resolution, guidance: resolution === 256 ? 1.8 : 2.5, paper: table[id] };
}
