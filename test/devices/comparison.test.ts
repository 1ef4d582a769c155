/** A comparison, which trains, samples, measures and probes, ends on a GPU as it does on the processor. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { drivers, linesOf } from "./helpers.ts";

interface Report {
  /** As the results name it. */
  gpu?: string;
  /** Tensors that are left. */
  left: number;
  numbers: number[];
}

// SwiftShader compiles kernels in a fraction of lavapipe's time.
for (const { name, env, missing } of drivers.filter(({ name }) => name === "swiftshader")) {
  if (missing) {
    test.skip(`${name}: a comparison on a GPU (${missing} is not installed)`, () => {});
    continue;
  }
  test(`${name}: a comparison has the processor's results, names the GPU and leaves nothing there`, async () => {
    const [cpu] = await linesOf<Report>("comparison-child.ts", ["cpu"], env);
    const [webgpu] = await linesOf<Report>("comparison-child.ts", ["webgpu"], env);
    assert.is(cpu.gpu, undefined);
    assert.match(webgpu.gpu ?? "", /swiftshader/i);
    assert.equal([cpu.left, webgpu.left], [0, 0]);
    assert.is(webgpu.numbers.length, cpu.numbers.length);
    webgpu.numbers.forEach((value, i) => {
      const expected = cpu.numbers[i];
      assert.ok(
        Math.abs(value - expected) < 1e-5 * Math.abs(expected) + 1e-6,
        `${value}, expected ${expected}`,
      );
    });
  });
}

test.run();
