import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type NdArray, ndarray, readNpz, writeNpz, writeNpzStream } from "../../lib/io/index.ts";
import { gatherSamples } from "../../lib/samplers/index.ts";
import { rejects } from "../io/helpers.ts";

const folder = mkdtempSync(join(tmpdir(), "ditlab-gather-"));

/** Sample number i is [i, i + 0.5]; every call is counted, and one may fail. */
function maker(failAt = -1): {
  made: number[];
  make(first: number, count: number): Promise<NdArray<"float32">>;
} {
  const made: number[] = [];
  return {
    made,
    async make(first, count) {
      if (first === failAt) throw new Error("cut off");
      made.push(first);
      const values = Array.from({ length: count }, (_, i) => [first + i, first + i + 0.5]);
      return ndarray(Float32Array.from(values.flat()), [count, 2]);
    },
  };
}

const expected = ndarray(
  Float32Array.from({ length: 14 }, (_, i) => i / 2),
  [7, 2],
);

test("a run that is cut off goes on where it was, and ends as if it had not been", async () => {
  const out = join(folder, "samples.npz");
  const run = { seed: 1 };
  const [first, second] = [maker(4), maker()];
  await rejects(gatherSamples(out, { run, count: 7, batchSize: 2, make: first.make }), /^cut off$/);
  assert.equal(first.made, [0, 2]);
  assert.not.ok(existsSync(out));
  const progress: number[][] = [];
  await gatherSamples(out, {
    run,
    count: 7,
    batchSize: 2,
    make: second.make,
    onProgress: (...done) => progress.push(done),
  });
  assert.equal(second.made, [4, 6]);
  assert.equal(progress, [
    [2, 7],
    [4, 7],
    [6, 7],
    [7, 7],
  ]);
  assert.equal((await readNpz(out)).arr_0, expected);
  assert.equal(readdirSync(folder), ["samples.npz"]);
});

test("batches of another run are not mixed in", async () => {
  const out = join(folder, "other.npz");
  const options = { count: 7, batchSize: 2 };
  await rejects(gatherSamples(out, { run: { seed: 1 }, ...options, make: maker(2).make }), /cut off/);
  await rejects(
    gatherSamples(out, { run: { seed: 2 }, ...options, make: maker().make }),
    /other\.npz\.parts holds batches of a run with other options: seed was 1, got 2; delete it, or write to another file/,
  );
  await gatherSamples(out, { run: { seed: 1 }, ...options, make: maker().make });
  assert.equal((await readNpz(out)).arr_0, expected);
});

test("after a cut more samples go on, and fewer are cut; what others keep beside them stays", async () => {
  const out = join(folder, "count.npz");
  const run = { seed: 1 };
  await rejects(gatherSamples(out, { run, count: 7, batchSize: 3, make: maker(6).make }), /cut off/);
  const more = maker();
  const parts = `${out}.parts`;
  writeFileSync(join(parts, "notes.txt"), "mine");
  await gatherSamples(out, { run, count: 8, batchSize: 3, make: more.make });
  assert.equal(more.made, [6]);
  assert.equal(
    [...((await readNpz(out)).arr_0.data as Float32Array)],
    Array.from({ length: 16 }, (_, i) => i / 2),
  );
  assert.equal(readdirSync(parts), ["notes.txt"]);

  const fewer = join(folder, "fewer.npz");
  await rejects(gatherSamples(fewer, { run, count: 7, batchSize: 3, make: maker(6).make }), /cut off/);
  const none = maker();
  await gatherSamples(fewer, { run, count: 4, batchSize: 3, make: none.make });
  assert.equal(none.made, []);
  assert.equal(
    [...((await readNpz(fewer)).arr_0.data as Float32Array)],
    Array.from({ length: 8 }, (_, i) => i / 2),
  );

  const theirs = join(folder, "theirs.npz");
  mkdirSync(`${theirs}.parts`);
  writeFileSync(join(`${theirs}.parts`, "00000000.npy"), "mine");
  await rejects(
    gatherSamples(theirs, { run, count: 4, batchSize: 3, make: maker().make }),
    /theirs\.npz\.parts is not empty and no unfinished samples of ditlab/,
  );
});

test("an archive written in pieces is the one written at once; too few bytes leave no file", async () => {
  const [whole, pieces, short] = ["whole", "pieces", "short"].map((name) => join(folder, `${name}.npz`));
  await writeNpz(whole, { arr_0: expected });
  const bytes = new Uint8Array(expected.data.buffer);
  async function* cut(...lengths: number[]): AsyncGenerator<Uint8Array> {
    let start = 0;
    for (const length of lengths) {
      yield bytes.subarray(start, start + length);
      start += length;
    }
  }
  await writeNpzStream(pieces, { arr_0: { ...expected, pieces: cut(3, 40, 13) } });
  assert.equal(await readNpz(pieces), await readNpz(whole));
  assert.ok(readFileSync(pieces).includes(Buffer.from(bytes)));
  await rejects(
    writeNpzStream(short, { arr_0: { ...expected, pieces: cut(3, 40) } }),
    /short\.npz: 43 bytes came, expected 56/,
  );
  assert.not.ok(existsSync(short));
});

test.run();
