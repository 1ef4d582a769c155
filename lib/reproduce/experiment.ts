/** What an experiment is, as plain data: rows, what is trained for them, what is read of that, and what the paper claims. */
import type { MethodName } from "../align/index.ts";
import type { CaptionAgreement } from "../metrics/index.ts";
import type { Family, PaperSRA, Size } from "./paper.ts";

/** What is trained, whatever the scale; rows of one setting share their runs. */
export interface ModelSetting {
  /** The paper's two, and its text-to-image model, which is as deep as an L. */
  readonly family: Family | "MMDiT";
  readonly size: Size;
  /** SRA as a row of table 1 has it, or as table 5 has it for the model. Default: none. */
  readonly sra?: PaperSRA | "paper";
  /** The moving average, as in table 6. Default: slow. */
  readonly average?: "none" | "rising" | "slow";
  /** A method by its preset, in SRA's place. */
  readonly method?: MethodName;
  /** Measured on the way, too, when the time is over that the same model takes without a method. */
  readonly isTimed?: boolean;
}

/**
 * What is read of a setting. `share`: after which share of the training, where 1 is the scale's whole (the paper's 400,000
 * steps), or at equal time with the model without a method, of settings that are timed. Facts are how often (%) small
 * captioned pictures show what their captions say. A probe is of the averaged weights at noise level `t`, after a block counted from 1. Costs are of a training step,
 * as multiples of another setting's.
 */
export type Reading =
  | { readonly of: "fid" | "is"; readonly share: number | "equal time" }
  | { readonly of: "facts"; readonly fact: keyof CaptionAgreement; readonly share: 1 }
  | { readonly of: "pickscore"; readonly share: 1 }
  | { readonly of: "probe"; readonly share: number; readonly t: number; readonly block: number }
  | { readonly of: "seconds" | "memory" | "flops"; readonly against: ModelSetting };

export interface Cell {
  /** Of the experiment's columns. */
  readonly column: string;
  readonly setting: ModelSetting;
  readonly reading: Reading;
  /** Where the paper has one. */
  readonly paper?: number;
}

export interface Row {
  readonly id: string;
  readonly label: string;
  readonly cells: readonly Cell[];
}

/** Pictures of a setting's run with the first seed: what a reader looks at, not what is measured. */
export interface PictureRow {
  readonly id: string;
  readonly label: string;
  readonly setting: ModelSetting;
  /** Tokens after blocks at noise levels, in the colours of their principal components; or samples as they come. */
  readonly shown:
    | { readonly of: "features"; readonly times: readonly number[]; readonly blocks: readonly number[] }
    | { readonly of: "samples" };
}

/** A row whose model the authors released: it is sampled and measured alone. */
export interface ReleasedRow {
  readonly id: string;
  readonly label: string;
  /** As `ditlab download` names it. */
  readonly checkpoint: string;
  readonly resolution: 256 | 512;
  readonly guidance: number;
  /** By column. */
  readonly paper: Readonly<Record<string, number>>;
}

export interface Column {
  readonly id: string;
  readonly label: string;
  readonly digits: number;
  readonly better: "lower" | "higher";
}

/** An order that the paper's numbers have: of cells, by row and column. */
export interface Claim {
  readonly id: string;
  readonly about: string;
  readonly cells: readonly (readonly [row: string, column: string])[];
}

export interface Experiment {
  readonly id: string;
  readonly title: string;
  /** What it is, and of what the paper's numbers are. */
  readonly about: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Row[];
  readonly claims: readonly Claim[];
  /** Rows that no training answers. */
  readonly released?: readonly ReleasedRow[];
  readonly pictures?: readonly PictureRow[];
  /** Of pictures with captions, which are data of their own. */
  readonly isCaptioned?: true;
  /** The row that each other one is set against within a seed. */
  readonly against?: string;
}

/** What an experiment's rows depend on. */
export interface Sizes {
  /** Sizes of which models are trained. */
  readonly trained: readonly Size[];
  /** The size that figures 2 and 7 look into; the paper's is XL. */
  readonly probed: Size;
  /** What text to image is judged by: facts that are read off small pictures, or as the paper does, on COCO. */
  readonly judged: "facts" | "pickscore";
}

/** Blocks of each size. */
export const DEPTHS: Readonly<Record<Size, number>> = { B: 12, L: 24, XL: 28 };
