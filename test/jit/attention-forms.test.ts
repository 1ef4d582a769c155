/** Which tiles attention takes on a device. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { attentionTilesFor, bytesOf } from "../../lib/jit/plan/attention-forms.ts";
import { SIMPLE, SOME_GPU } from "../../lib/jit/plan/forms.ts";

/** The three kernels: forwards, and the gradients of queries and of keys. */
const KERNELS = [
  { scores: 1, results: 1 },
  { scores: 2, results: 1 },
  { scores: 2, results: 2 },
];

test("tiles of attention fit a device's memory, and rows are whole in their pieces", () => {
  for (const device of [
    SIMPLE,
    SOME_GPU,
    ...[32_768, 49_152].map((workgroupMemory) => ({ ...SOME_GPU, workgroupMemory })),
  ])
    for (const size of [1, 3, 10, 16, 64, 72, 80, 128, 200, 256, 512])
      for (const kernel of KERNELS) {
        const tiles = attentionTilesFor({ size, ...kernel }, device);
        assert.ok(bytesOf(tiles) <= device.workgroupMemory && tiles.threads <= 256, `${size}`);
        assert.ok(tiles.pieces * tiles.width >= size && (tiles.pieces - 1) * tiles.width < size, `${size}`);
        // All threads tell each other something in the own rows' place.
        assert.ok(tiles.own * tiles.ownStride >= tiles.threads, `${size}`);
      }
});

test("a GPU with enough memory has the largest tiles of attention, for heads of usual sizes in one piece", () => {
  for (const size of [64, 72, 80])
    for (const kernel of KERNELS) {
      const { own, met, pieces } = attentionTilesFor(
        { size, ...kernel },
        { ...SOME_GPU, workgroupMemory: 49_152 },
      );
      assert.equal([own, met, pieces], [64, 64, 1]);
    }
});

test.run();
