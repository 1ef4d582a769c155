/** In what form attention is computed: chosen by the heads' size and by what the device has. */
import type { ProductDevice } from "./forms.ts";

/** How a workgroup shares the pairs of rows that it scores: its threads stand in `groups` of `lanes`. */
export interface AttentionForm {
  groups: number;
  lanes: number;
  /** Each thread has so many of the workgroup's own rows. */
  eachOwn: number;
  /** And so many of the rows that these meet at a time, as it reads so many numbers at a time from the workgroup's memory. */
  vector: 1 | 4;
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

/** The largest first. Each has at most 256 threads, which every device allows. */
const FORMS: readonly AttentionForm[] = [
  { groups: 16, lanes: 16, eachOwn: 4, vector: 4 },
  { groups: 16, lanes: 16, eachOwn: 2, vector: 4 },
  { groups: 16, lanes: 16, eachOwn: 1, vector: 4 },
  { groups: 8, lanes: 8, eachOwn: 4, vector: 4 },
  { groups: 8, lanes: 8, eachOwn: 2, vector: 4 },
  { groups: 8, lanes: 8, eachOwn: 1, vector: 4 },
];

/** A short text: a processor that plays a GPU takes long to compile what reads much from the workgroup's memory. */
const SIMPLE_FORM: AttentionForm = { groups: 4, lanes: 16, eachOwn: 1, vector: 1 };

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
  const { groups, lanes, eachOwn, vector } = form;
  const vectors = Math.ceil(size / (vector * pieces));
  return {
    ...form,
    threads: groups * lanes,
    own: groups * eachOwn,
    met: vector * lanes,
    pieces: Math.ceil(size / (vector * vectors)),
    width: vector * vectors,
    // Weights, a number for each row that is met, take the own rows' place.
    ownStride: odd(Math.max(vectors, lanes)),
    metStride: odd(vectors),
  };
}

/** Bytes of the workgroup's memory, with a vector in which each thread tells the others of its rows. */
export const bytesOf = ({ own, met, threads, vector, ownStride, metStride }: AttentionTiles): number =>
  4 * vector * (own * ownStride + met * metStride + threads);

/** The tiles of a form in as few pieces as the memory allows; undefined where these are short. */
function fitting(form: AttentionForm, size: number, memory: number): AttentionTiles | undefined {
  for (let pieces = 1; ; pieces++) {
    const tiles = inPieces(form, size, pieces);
    if (pieces > 1 && tiles.width < LEAST_WIDTH) return undefined;
    if (bytesOf(tiles) <= memory) return tiles;
  }
}

/** The tiles that attention has on a device. */
export function attentionTilesFor(
  { size, scores, results }: AttentionSize,
  { isSimple, workgroupMemory }: Pick<ProductDevice, "isSimple" | "workgroupMemory">,
): AttentionTiles {
  const forms = isSimple ? [SIMPLE_FORM] : FORMS;
  const held = ({ lanes, eachOwn, vector }: AttentionForm): number =>
    eachOwn * (results * Math.ceil(size / lanes) + scores * vector);
  for (const form of forms) {
    const tiles = fitting(form, size, workgroupMemory);
    if (tiles && (held(form) <= MOST_HELD || form === forms.at(-1))) return tiles;
  }
  throw new Error(`jit: attention has no tiles in ${workgroupMemory} bytes of a workgroup's memory`);
}
