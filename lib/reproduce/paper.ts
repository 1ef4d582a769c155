/**
 * What the paper measured (arXiv 2505.02831 v5, ICLR 2026): the numbers of its tables, and those of its curves as read off
 * the plots (figure 2: about +-0.5 points; figure 4: about +-0.2).
 */

/** Blocks m -> n, interval k (a number, or a range drawn from), lambda, and whether there is a projection head. */
export interface PaperSRA {
  readonly layers: readonly [student: number, teacher: number];
  readonly interval: number | readonly [number, number];
  readonly lambda: number;
  readonly head: boolean;
}

/** FID and Inception Score of 50,000 images, without guidance. */
interface Quality {
  readonly fid: number;
  readonly is: number;
}

/** Table 5: what table 1 varies. */
export const PAPER_CHOICE: PaperSRA = { layers: [3, 8], interval: [0, 0.2], lambda: 0.2, head: true };

type Table1Row = readonly [id: string, change: Partial<PaperSRA> | undefined, fid: number, is: number];

/** Table 1: SiT-B/2, ImageNet 256x256, 400,000 steps. Without a change it is the baseline. */
export const TABLE_1: readonly Table1Row[] = [
  ["baseline", undefined, 33.02, 43.71],
  ["layers-6-10", { layers: [6, 10] }, 34.85, 40.28],
  ["layers-4-8", { layers: [4, 8] }, 30.0, 47.78],
  ["layers-4-10", { layers: [4, 10] }, 30.65, 46.69],
  ["layers-4-12", { layers: [4, 12] }, 33.19, 43.3],
  ["layers-2-6", { layers: [2, 6] }, 32.14, 46.36],
  ["layers-2-8", { layers: [2, 8] }, 29.31, 50.13],
  ["layers-3-8", {}, 29.1, 50.2],
  ["layers-3-3", { layers: [3, 3] }, 37.08, 41.54],
  ["interval-0.0", { interval: 0 }, 31.07, 47.32],
  ["interval-0.1", { interval: 0.1 }, 29.55, 49.01],
  ["interval-0.2", { interval: 0.2 }, 30.7, 47.72],
  ["interval-dyn-0.1", { interval: [0, 0.1] }, 29.38, 49.32],
  ["interval-dyn-0.2", {}, 29.1, 50.2],
  ["interval-dyn-0.3", { interval: [0, 0.3] }, 29.15, 50.01],
  ["lambda-0.1", { lambda: 0.1 }, 30.65, 48.31],
  ["lambda-0.2", {}, 29.1, 50.2],
  ["lambda-0.3", { lambda: 0.3 }, 29.28, 49.72],
  ["lambda-0.4", { lambda: 0.4 }, 29.75, 49.3],
  ["head-off", { head: false }, 34.23, 41.07],
  ["head-on", {}, 29.1, 50.2],
];

/** Table 2: MMDiT on COCO 2014, 150,000 steps, 50 steps of the ODE's sampler, guidance 2. */
export const TABLE_2: Readonly<Record<"baseline" | "repa" | "sra", { fid: number; pickscore: number }>> = {
  baseline: { fid: 5.86, pickscore: 20.05 },
  repa: { fid: 4.6, pickscore: 20.88 },
  sra: { fid: 4.85, pickscore: 21.14 },
};
/** What the paper's text says of the same rows. */
export const TABLE_2_TEXT = {
  baseline: { fid: 5.66, pickscore: 20.65 },
  sra: { fid: 4.75, pickscore: 21.14 },
} as const;

/** Table 6: the teacher's moving average. `none` is decay 0, `rising` a cosine from 0.996 to 1, `slow` 0.9999. */
export const TABLE_6: Readonly<Record<"none" | "rising" | "slow", Quality>> = {
  none: { fid: 35.71, is: 42.18 },
  rising: { fid: 33.17, is: 44.96 },
  slow: { fid: 29.1, is: 50.2 },
};

type Released = Readonly<Record<string, number>>;

/** Tables 3 and 4, of the models that the authors released: with guidance, 50,000 images, ADM's evaluation. */
export const TABLE_3: Readonly<Record<string, Released>> = {
  "sit-xl-sra-ep400": { fid: 1.85, sfid: 4.5, is: 297.2, precision: 0.82, recall: 0.61 },
  "sit-xl-sra-ep800": { fid: 1.58, sfid: 4.65, is: 311.4, precision: 0.8, recall: 0.63 },
};
export const TABLE_4: Readonly<Record<string, Released>> = {
  "sit-xl-sra-512-ep200": { fid: 2.17, sfid: 4.15, is: 279.3, precision: 0.83, recall: 0.59 },
  "sit-xl-sra-512-ep400": { fid: 2.07, is: 302.2 },
};

export const FAMILIES = ["SiT", "DiT"] as const;
export type Family = (typeof FAMILIES)[number];
export const SIZES = ["B", "L", "XL"] as const;
export type Size = (typeof SIZES)[number];

/** Table 7: gigabytes a GPU and hours an epoch on 8 A100, batch 256, without and with SRA. */
export const TABLE_7: Readonly<
  Record<`${Family}-${Size}`, readonly (readonly [gigabytes: number, hours: number])[]>
> = {
  "SiT-B": [
    [12.85, 0.096],
    [13.23, 0.115],
  ],
  "SiT-L": [
    [25.68, 0.282],
    [26.65, 0.33],
  ],
  "SiT-XL": [
    [29.08, 0.394],
    [30.24, 0.476],
  ],
  "DiT-B": [
    [13.96, 0.173],
    [14.78, 0.209],
  ],
  "DiT-L": [
    [27.85, 0.503],
    [29.26, 0.558],
  ],
  "DiT-XL": [
    [30.68, 0.719],
    [32.31, 0.804],
  ],
};

/** Blocks of the XL models, of 28, at which figures 2 and 7 probe. */
export const PROBED_BLOCKS = [4, 8, 12, 15, 18, 20, 22, 24] as const;

/** Figure 2: accuracy (%) of a linear probe at those blocks, by noise level t (of a DiT: the share of its steps). */
export const FIGURE_2: Readonly<Record<Family, Readonly<Record<string, readonly number[]>>>> = {
  SiT: {
    "0.1": [24, 28, 33, 37, 46, 60, 58, 54],
    "0.3": [22.5, 26, 30, 34, 43, 57, 54.5, 48],
    "0.5": [15, 19, 24, 30, 35, 44, 42.5, 40],
    "0.7": [4.5, 7, 9.5, 11, 14, 20, 18, 16],
  },
  DiT: {
    "0.1": [21, 30.5, 47, 58, 57, 56, 50.5, 45],
    "0.3": [17.5, 24.5, 39.5, 51.5, 50.5, 49.5, 44, 41.5],
    "0.5": [11, 15, 26, 37, 36.5, 35, 31, 29],
    "0.7": [3.5, 6, 11.5, 14.5, 14, 13, 10.5, 9],
  },
};

/** Figure 4: FID by thousands of steps, without and with SRA. */
export const FIGURE_4: Readonly<Record<`${Family}-${Size}`, readonly Readonly<Record<number, number>>[]>> = {
  "SiT-B": [
    { 200: 45.0, 300: 38.0, 400: 33.2, 600: 29.2 },
    { 200: 39.2, 300: 32.1, 400: 29.1, 600: 25.1 },
  ],
  "SiT-L": [
    { 200: 28.2, 300: 22.4, 400: 19.0, 600: 16.2 },
    { 200: 23.4, 300: 17.3, 400: 14.3, 600: 11.9 },
  ],
  "SiT-XL": [
    { 200: 26.1, 300: 20.3, 400: 17.4, 600: 14.6 },
    { 200: 19.5, 300: 14.2, 400: 11.9, 600: 9.4 },
  ],
  "DiT-B": [
    { 200: 57.5, 250: 52.5, 300: 48.7, 350: 45.8, 400: 43.9 },
    { 200: 52.0, 250: 47.8, 300: 44.3, 400: 39.8 },
  ],
  "DiT-L": [
    { 250: 31.0, 300: 27.9, 350: 25.7, 400: 23.5, 550: 20.2 },
    { 200: 30.2, 300: 23.2, 400: 19.9, 600: 16.1 },
  ],
  "DiT-XL": [
    { 300: 23.3, 350: 21.1, 400: 19.5, 450: 18.2, 800: 14.4 },
    { 300: 20.0, 400: 16.5, 600: 13.9, 800: 12.2 },
  ],
};

/**
 * Figure 7: a, probes by block at t = 0.1; b, by t at block 8; c, FID by the teacher's block, beside
 * the baseline's probe; d, the teacher's probe after 200,000 and 800,000 steps.
 */
export const FIGURE_7 = {
  a: {
    without: [24, 28, 33, 37, 46, 60, 58, 54],
    with: [42.5, 58, 58, 58.5, 61, 65, 63, 58],
  },
  b: {
    levels: [0.1, 0.3, 0.5],
    without: [28, 26, 19],
    with: [58, 55, 50],
  },
  c: {
    probe: [24, 28, 33, 37, 46, 60, 58, 54],
    fid: [18.4, 18.2, 17.6, 16.9, 14.2, 11.9, 13.0, 13.1],
  },
  d: [38.1, 54.2],
} as const;

/** Blocks of the XL models: how deep they are, and where SRA aligns the student. */
export const XL = { depth: 28, studentBlock: 8, teacherBlock: 20 } as const;
