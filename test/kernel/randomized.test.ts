/** Random cells; DITLAB_RANDOM_CELLS sets how many, DITLAB_RANDOM_SEED which. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, hasPython, python } from "./helpers.ts";

const available = hasPython("jupyter_client");
const count = process.env.DITLAB_RANDOM_CELLS ?? "300";
const seed = process.env.DITLAB_RANDOM_SEED ?? "1";

(available ? test : test.skip)(`${count} random cells never crash or wedge the kernel`, async () => {
  build();
  const { code, output } = await python("randomized.py", count, seed);
  assert.is(code, 0, output.slice(-10_000));
});

test.run();
