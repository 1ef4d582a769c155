/** Who may use the arguments of a call, and who may write over them: donated tensors, and calls in the order of their buffers. */
import type { Tensor } from "../tensor/tf.ts";
import { type Buffer, bufferOf, type Memory, nothing, takeAway } from "./buffers.ts";
import type { Leaf } from "./structure.ts";

/** Tensors that were donated, and to which function. */
const donatedTo = new WeakMap<Tensor, string>();

export interface Claim {
  /** Settles when no earlier call reads what this one may write over. */
  readonly ready: Promise<unknown>;
  /** Buffers, by position of their leaf, that belong to this call alone. */
  readonly owned: ReadonlyMap<number, Buffer>;
  /** The call is over, and its donated tensors are gone. */
  succeed(): void;
  /** The call failed. Donated tensors are the caller's again, but for those whose buffers were being written. */
  fail(written: ReadonlySet<Memory>): void;
}

const goneMessage = (name: string, to: string): string =>
  `jit: ${name} was donated to an earlier call of '${to}'; it is gone, use that call's result instead`;

function checkUsable({ tensor, name }: Leaf): void {
  if (!tensor.isDisposed) return;
  const to = donatedTo.get(tensor);
  throw new Error(to === undefined ? `jit: '${name}' has been disposed` : goneMessage(`'${name}'`, to));
}

/** Buffers that may be written over: of donated tensors, which nobody else holds or has read. */
function ownedBuffers(leaves: readonly Leaf[], donated: readonly boolean[]): Map<number, Buffer> {
  const leavesOf = new Map<Buffer, number[]>();
  leaves.forEach(({ tensor }, i) => {
    const buffer = bufferOf(tensor);
    const known = buffer && leavesOf.get(buffer);
    if (known) known.push(i);
    else if (buffer) leavesOf.set(buffer, [i]);
  });
  return new Map(
    [...leavesOf].flatMap(([buffer, [i, ...others]]) =>
      donated[i] && others.length === 0 && !buffer.left ? [[i, buffer] as const] : [],
    ),
  );
}

/**
 * Takes the arguments of a call, all at once and before anything is awaited. Donated tensors are unusable from now on, so
 * that a use in any order is an error; they are disposed when the call has succeeded.
 * @throws naming the leaf that is gone already, or that is donated twice.
 */
export function claim(leaves: readonly Leaf[], donated: readonly boolean[], to: string): Claim {
  for (const leaf of leaves) checkUsable(leaf);
  const given = new Set<Tensor>();
  const twice = leaves.find(({ tensor }, i) => donated[i] && given.size === given.add(tensor).size);
  if (twice) throw new Error(`jit: '${twice.name}' was donated twice to one call of '${to}'`);

  const owned = ownedBuffers(leaves, donated);
  const ready = Promise.all([...owned.values()].flatMap(({ calls }) => [...calls]));
  let settle = (): void => {};
  const over = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const used = new Set(leaves.flatMap(({ tensor }) => bufferOf(tensor) ?? []));
  for (const { calls } of used) calls.add(over);
  const left = nothing(goneMessage("this tensor", to));
  const take = ({ tensor }: Leaf): (() => void) => {
    donatedTo.set(tensor, to);
    return takeAway(tensor, left);
  };
  const giveBack = new Map(leaves.flatMap((leaf, i) => (donated[i] ? [[i, take(leaf)] as const] : [])));
  const end = (isGone: (leaf: number) => boolean): void => {
    for (const [i, restore] of giveBack) {
      const { tensor } = leaves[i];
      restore();
      donatedTo.delete(tensor);
      if (!isGone(i)) continue;
      tensor.dispose();
      take(leaves[i]);
    }
    for (const { calls } of used) calls.delete(over);
    settle();
  };
  return {
    ready,
    owned,
    succeed: () => end(() => true),
    fail: (written) => end((i) => owned.has(i) && written.has(owned.get(i)!.data)),
  };
}
