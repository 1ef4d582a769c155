/** Figures 2, 4 and 7 of the paper as experiments. */
import {
  type Cell,
  type Claim,
  type Column,
  DEPTHS,
  type Experiment,
  type ModelSetting,
  type Row,
  type Sizes,
} from "./experiment.ts";
import {
  FAMILIES,
  type Family,
  FIGURE_2,
  FIGURE_4,
  FIGURE_7,
  PAPER_CHOICE,
  PROBED_BLOCKS,
  SIZES,
  type Size,
  XL,
} from "./paper.ts";

/** The block as deep in a network of a size as one of 28 is in an XL. */
export const blockOf = (block: number, size: Size): number =>
  Math.max(1, Math.round((block * DEPTHS[size]) / XL.depth));

const depthColumn = (block: number): Column => ({
  id: `block-${block}`,
  label: `${block} of ${XL.depth}`,
  digits: 1,
  better: "higher",
});

/** Probes of a setting over depth, at a noise level. */
const probes = (setting: ModelSetting, t: number, paper: readonly number[]): Cell[] =>
  PROBED_BLOCKS.map((block, i) => ({
    column: `block-${block}`,
    setting,
    reading: { of: "probe", share: 1, t, block: blockOf(block, setting.size) },
    paper: paper[i],
  }));

const cellsOf = (rows: readonly Row[]): [row: string, column: string][] =>
  rows.flatMap(({ id, cells }) => cells.map(({ column }): [string, string] => [id, column]));

export function figure2({ probed }: Sizes): Experiment {
  const rowsOf = (family: Family): Row[] =>
    Object.entries(FIGURE_2[family]).map(([t, paper]) => ({
      id: `${family.toLowerCase()}-t${t}`,
      label: `${family}, t = ${t}`,
      cells: probes({ family, size: probed }, Number(t), paper),
    }));
  return {
    id: "figure2",
    title: "Figure 2: what blocks know, by depth and noise",
    about:
      "Accuracy (%) of a linear probe on the features of models without SRA. The paper: XL/2 on ImageNet; its blocks stand for those as deep here.",
    columns: PROBED_BLOCKS.map(depthColumn),
    rows: FAMILIES.flatMap(rowsOf),
    claims: FAMILIES.map((family) => ({
      id: family.toLowerCase(),
      about: `${family}: all blocks and noise levels`,
      cells: cellsOf(rowsOf(family)),
    })),
  };
}

/** Steps of which figure 4 has FIDs, in thousands, of the 400 that count as the whole. */
const THOUSANDS = [200, 300, 400] as const;

export function figure4({ trained }: Sizes): Experiment {
  const pairs = FAMILIES.flatMap((family) =>
    SIZES.filter((size) => trained.includes(size)).map((size) => ({ family, size })),
  );
  const rowsOf = ({ family, size }: (typeof pairs)[number]): Row[] =>
    FIGURE_4[`${family}-${size}`].map((curve, i) => {
      const setting: ModelSetting = { family, size, ...(i > 0 && { sra: "paper" as const }) };
      return {
        id: `${family}-${size}${i > 0 ? "-sra" : ""}`.toLowerCase(),
        label: `${family}-${size}${i > 0 ? " + SRA" : ""}`,
        cells: THOUSANDS.map((thousand) => ({
          column: `${thousand}k`,
          setting,
          reading: { of: "fid", share: thousand / 400 },
          ...(curve[thousand] !== undefined && { paper: curve[thousand] }),
        })),
      };
    });
  return {
    id: "figure4",
    title: "Figure 4: FID over training",
    about:
      "FID without guidance after a half, three quarters and all of the training. The paper: after 200,000, 300,000 and 400,000 steps.",
    columns: THOUSANDS.map((thousand) => ({
      id: `${thousand}k`,
      label: `${thousand / 4} % of the steps`,
      digits: 2,
      better: "lower",
    })),
    rows: pairs.flatMap(rowsOf),
    claims: pairs.map((pair) => ({
      id: `${pair.family}-${pair.size}`.toLowerCase(),
      about: `${pair.family}-${pair.size}: both curves`,
      cells: cellsOf(rowsOf(pair)).filter(([row, column]) =>
        rowsOf(pair).some(
          ({ id, cells }) =>
            id === row && cells.some((cell) => cell.column === column && cell.paper !== undefined),
        ),
      ),
    })),
  };
}

/** SiT of a size without and with SRA; figure 7's numbers of them have these names. */
const sitRows = (
  size: Size,
  cellsOf: (setting: ModelSetting, paper: "without" | "with") => Cell[],
): Row[] => [
  { id: "sit", label: "without SRA", cells: cellsOf({ family: "SiT", size }, "without") },
  { id: "sit-sra", label: "with SRA", cells: cellsOf({ family: "SiT", size, sra: "paper" }, "with") },
];

export function figure7a({ probed }: Sizes): Experiment {
  const rows = sitRows(probed, (setting, paper) => probes(setting, 0.1, FIGURE_7.a[paper]));
  return {
    id: "figure7a",
    title: "Figure 7a: what blocks know with SRA, by depth",
    about: "Accuracy (%) of a linear probe at t = 0.1. The paper: SiT-XL/2 on ImageNet.",
    columns: PROBED_BLOCKS.map(depthColumn),
    rows,
    claims: [{ id: "all", about: "both models, all blocks", cells: cellsOf(rows) }],
    against: "sit",
  };
}

export function figure7b({ probed }: Sizes): Experiment {
  const { levels } = FIGURE_7.b;
  const rows = sitRows(probed, (setting, paper) =>
    levels.map((t, at) => ({
      column: `t${t}`,
      setting,
      reading: { of: "probe", share: 1, t, block: blockOf(XL.studentBlock, probed) },
      paper: FIGURE_7.b[paper][at],
    })),
  );
  return {
    id: "figure7b",
    title: "Figure 7b: what the aligned block knows, by noise",
    about: "Accuracy (%) of a linear probe after the student's block m. The paper: block 8 of SiT-XL/2.",
    columns: levels.map((t) => ({ id: `t${t}`, label: `t = ${t}`, digits: 1, better: "higher" })),
    rows,
    claims: [{ id: "all", about: "both models, all noise levels", cells: cellsOf(rows) }],
    against: "sit",
  };
}

export function figure7c({ probed }: Sizes): Experiment {
  const student = blockOf(XL.studentBlock, probed);
  const rows = PROBED_BLOCKS.map((block, i): Row => {
    const teacher = blockOf(block, probed);
    return {
      id: `teacher-${block}`,
      label: `teacher's block ${block} of ${XL.depth}`,
      cells: [
        {
          column: "probe",
          setting: { family: "SiT", size: probed },
          reading: { of: "probe", share: 1, t: 0.1, block: teacher },
          paper: FIGURE_7.c.probe[i],
        },
        {
          column: "fid",
          setting: { family: "SiT", size: probed, sra: { ...PAPER_CHOICE, layers: [student, teacher] } },
          reading: { of: "fid", share: 1 },
          paper: FIGURE_7.c.fid[i],
        },
      ],
    };
  });
  const claim = (id: string, about: string): Claim => ({
    id,
    about,
    cells: rows.map((row) => [row.id, id] as const),
  });
  return {
    id: "figure7c",
    title: "Figure 7c: a teacher's block that knows more guides better",
    about:
      "The probe (%) of the baseline after a block, and the FID of SRA with that block as the teacher's. The paper: SiT-XL/2, the student's block 8.",
    columns: [
      { id: "probe", label: "probe of the block", digits: 1, better: "higher" },
      { id: "fid", label: "FID with it as teacher", digits: 2, better: "lower" },
    ],
    rows,
    claims: [claim("probe", "blocks by probe"), claim("fid", "teacher's blocks by FID")],
  };
}

export function figure7d({ probed }: Sizes): Experiment {
  const cell = (column: string, share: number, paper: number): Cell => ({
    column,
    setting: { family: "SiT", size: probed, sra: "paper" },
    reading: { of: "probe", share, t: 0.1, block: blockOf(XL.teacherBlock, probed) },
    paper,
  });
  const rows: Row[] = [
    {
      id: "teacher",
      label: "the teacher's block n",
      cells: [cell("quarter", 0.25, FIGURE_7.d[0]), cell("whole", 1, FIGURE_7.d[1])],
    },
  ];
  return {
    id: "figure7d",
    title: "Figure 7d: the teacher learns as it teaches",
    about:
      "The probe (%) of the teacher's block over training. The paper: SiT-XL/2 after 200,000 and 800,000 steps; here a quarter and all.",
    columns: [
      { id: "quarter", label: "a quarter", digits: 1, better: "higher" },
      { id: "whole", label: "all", digits: 1, better: "higher" },
    ],
    rows,
    claims: [{ id: "all", about: "it rises", cells: cellsOf(rows) }],
  };
}
