/** Debian's python3-jupyter-kernel-test: Jupyter's conformance suite, with nothing skipped. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { build, hasPython, python } from "./helpers.ts";

const available = hasPython("jupyter_kernel_test");

(available ? test : test.skip)(
  "the kernel passes Jupyter's conformance suite (python3-jupyter-kernel-test)",
  async () => {
    build();
    const { code, output } = await python("conformance.py");
    assert.is(code, 0, output);
    // All that the suite offers.
    assert.match(output, /Ran 12 tests/);
    assert.match(output, /\nOK\n/);
  },
);

test.run();
