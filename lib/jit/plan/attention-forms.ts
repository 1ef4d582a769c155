/** In what form attention is computed: chosen by the heads' size and by what the device has. */
import type { ProductDevice } from "./forms.ts";

/** How a workgroup shares the pairs of rows that it scores: its threads stand in `groups` of `lanes`. */
export interface AttentionForm {
  groups: number;
  lanes: number;
  /** Each thread has so many of the workgroup's own rows, and four of the rows that these meet at a time. */
  eachOwn: number;
  /** Whether its text is to be short rather than fast. */
  isRolled?: boolean;
}

/** What a kernel of attention computes. */
export interface AttentionSize {
  /** Numbers of a head's row. */
  size: number;
  /** Numbers that it holds of each pair: the score, and in gradients the slope. */
  scores: number;
  /** Arrays of results of the heads' size. */
  results: number;
}

/** Numbers that a vector holds: what lies in the workgroup's memory is read four at a time. */
const FOUR = 4;
const VECTOR_BYTES = 16;

/** The largest first. Each has at most 256 threads, which every device allows. */
const FORMS: readonly AttentionForm[] = [
  { groups: 16, lanes: 16, eachOwn: 4 },
  { groups: 16, lanes: 16, eachOwn: 2 },
  { groups: 16, lanes: 16, eachOwn: 1 },
  { groups: 8, lanes: 8, eachOwn: 4 },
  { groups: 8, lanes: 8, eachOwn: 2 },
  { groups: 8, lanes: 8, eachOwn: 1 },
];

/** A short text, and little work that tiles have more than there are rows. */
const SIMPLE_FORM: AttentionForm = { groups: 8, lanes: 8, eachOwn: 1, isRolled: true };

/** Numbers that a thread may hold in sums; with those that it reads they must fit in the registers of one. */
const MOST_HELD = 112;

/** Pieces of rows that are shorter than this bring more barriers than products. */
const LEAST_WIDTH = 32;

/** How rows lie in the workgroup's memory. */
export interface AttentionTiles extends AttentionForm {
  threads: number;
  /** Rows of a tile. */
  own: number;
  met: number;
  /** Rows come in so many pieces, of so many numbers each. */
  pieces: number;
  width: number;
  /** How far apart rows lie, in vectors, of the own ones and of those that they meet. */
  ownStride: number;
  metStride: number;
}

/** Odd, so that threads which read below one another read from different banks. */
const odd = (count: number): number => (count % 2 === 0 ? count + 1 : count);

/** The tiles of a form, where rows come in so many pieces. */
function inPieces(form: AttentionForm, size: number, pieces: number): AttentionTiles {
  const { groups, lanes, eachOwn } = form;
  const vectors = Math.ceil(size / (FOUR * pieces));
  const met = FOUR * lanes;
  return {
    ...form,
    threads: groups * lanes,
    own: groups * eachOwn,
    met,
    pieces: Math.ceil(size / (FOUR * vectors)),
    width: FOUR * vectors,
    // Weights, a number for each row that is met, take the own rows' place.
    ownStride: odd(Math.max(vectors, lanes)),
    metStride: odd(vectors),
  };
}

/** Bytes of the workgroup's memory, with a vector in which each thread tells the others of its rows. */
export const bytesOf = ({ own, met, threads, ownStride, metStride }: AttentionTiles): number =>
  VECTOR_BYTES * (own * ownStride + met * metStride + threads);

/** The tiles of a form in as few pieces as the memory allows; undefined where these are short. */
function fitting(form: AttentionForm, size: number, memory: number): AttentionTiles | undefined {
  for (let pieces = 1; ; pieces++) {
    const tiles = inPieces(form, size, pieces);
    if (bytesOf(tiles) <= memory) return tiles;
    if (tiles.width <= LEAST_WIDTH) return undefined;
  }
}

/** The tiles that attention has on a device. */
export function attentionTilesFor(
  { size, scores, results }: AttentionSize,
  { isSimple, workgroupMemory }: Pick<ProductDevice, "isSimple" | "workgroupMemory">,
): AttentionTiles {
  const forms = isSimple ? [SIMPLE_FORM] : FORMS;
  const held = ({ lanes, eachOwn }: AttentionForm): number =>
    eachOwn * (results * Math.ceil(size / lanes) + scores * FOUR);
  for (const form of forms) {
    const tiles = fitting(form, size, workgroupMemory);
    if (tiles && (held(form) <= MOST_HELD || form === forms.at(-1))) return tiles;
  }
  throw new Error(`jit: attention has no tiles in ${workgroupMemory} bytes of a workgroup's memory`);
}
