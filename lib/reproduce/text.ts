/** Table 2 of the paper as an experiment: text to image. */
import type { CaptionAgreement } from "../metrics/index.ts";
import type { Cell, Column, Experiment, ModelSetting, Row, Sizes } from "./experiment.ts";
import { TABLE_2, TABLE_2_TEXT } from "./paper.ts";

/** What of a caption is looked for in a small picture. */
const FACTS: Readonly<Record<keyof CaptionAgreement, string>> = {
  all: "all facts, %",
  what: "what, %",
  corner: "corner, %",
  colour: "colour, %",
};
const FACT_NAMES = Object.keys(FACTS) as (keyof CaptionAgreement)[];

const FID: Column = { id: "fid", label: "FID", digits: 2, better: "lower" };
const PICKSCORE: Column = { id: "pickscore", label: "PickScore", digits: 2, better: "higher" };
const FACT_COLUMNS = FACT_NAMES.map(
  (fact): Column => ({ id: fact, label: FACTS[fact], digits: 1, better: "higher" }),
);

const valuesOf = (name: "fid" | "pickscore"): string => {
  const { baseline, sra } = TABLE_2;
  const { baseline: textBaseline, sra: textSRA } = TABLE_2_TEXT;
  const range = (from: { fid: number; pickscore: number }, to: { fid: number; pickscore: number }): string =>
    `${from[name].toFixed(2)} to ${to[name].toFixed(2)}`;
  return `${range(baseline, sra)} in the table and ${range(textBaseline, textSRA)} in the text`;
};

const ABOUT = `MMDiT alone and with methods. The paper: MMDiT-24 on COCO 2014, 150,000 steps, 50 steps of the ODE's sampler, guidance 2. It contradicts itself: from the first row to SRA's the FID goes from ${valuesOf("fid")}, the PickScore from ${valuesOf("pickscore")}; the table's values are the ones beside ours.`;

const SMALL = `Here small pictures with captions stand for COCO, and how often what a held-out caption says is there (in percent) for the PickScore; the first control says what the reading itself sees in real pictures. REPA is left out: it is drawn to features of an encoder that is given, which these pictures have none of.`;

/** @param sizes what the pictures are judged by */
export function table2({ judged }: Sizes): Experiment {
  const isPaper = judged === "pickscore";
  const plain: ModelSetting = { family: "MMDiT", size: "L" };
  const row = (id: keyof typeof TABLE_2, label: string, setting: ModelSetting): Row => {
    const paper = TABLE_2[id];
    const fid: Cell = { column: "fid", setting, reading: { of: "fid", share: 1 }, paper: paper.fid };
    const judgements: Cell[] = isPaper
      ? [
          {
            column: "pickscore",
            setting,
            reading: { of: "pickscore", share: 1 },
            paper: paper.pickscore,
          },
        ]
      : FACT_NAMES.map((fact) => ({ column: fact, setting, reading: { of: "facts", fact, share: 1 } }));
    return { id, label, cells: [fid, ...judgements] };
  };
  const rows = [
    row("baseline", "MMDiT", plain),
    ...(isPaper ? [row("repa", "MMDiT + REPA", { ...plain, method: "repa" })] : []),
    row("sra", "MMDiT + SRA", { ...plain, sra: "paper" }),
  ];
  const claimOf = ({ id, label }: Column) => ({
    id,
    about: `the rows by ${label}`,
    cells: rows.map((row) => [row.id, id] as const),
  });
  return {
    id: "table2",
    title: "Table 2: text to image",
    about: isPaper ? ABOUT : `${ABOUT} ${SMALL}`,
    columns: isPaper ? [FID, PICKSCORE] : [FID, ...FACT_COLUMNS],
    rows,
    claims: (isPaper ? [FID, PICKSCORE] : [FID]).map(claimOf),
    isCaptioned: true,
    against: "baseline",
  };
}
