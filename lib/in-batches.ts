/**
 * What a network makes of many things, which takes some of them at a time: [things.length, ...], `size` numbers of each. `of` is
 * given at most `batch` of them and may return more numbers than theirs, as a network does that was filled up.
 */
export async function inBatches<T>(
  things: readonly T[],
  { batch, size }: { batch: number; size: number },
  of: (some: readonly T[]) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(things.length * size);
  for (let start = 0; start < things.length; start += batch) {
    const some = things.slice(start, start + batch);
    all.set((await of(some)).subarray(0, some.length * size), start * size);
  }
  return all;
}
