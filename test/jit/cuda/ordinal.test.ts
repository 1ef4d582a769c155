/** Which GPU a process takes. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ordinalAmong } from "../../../lib/jit/targets/cuda/ordinal.ts";

test("a rank's GPU is that of its place on the machine, unless somebody says which", () => {
  const ranks = { OMPI_COMM_WORLD_RANK: "5", OMPI_COMM_WORLD_SIZE: "8" };
  const third = { ...ranks, OMPI_COMM_WORLD_LOCAL_RANK: "2", OMPI_COMM_WORLD_LOCAL_SIZE: "3" };
  assert.equal([ordinalAmong(4, {}), ordinalAmong(4, third), ordinalAmong(3, third)], [0, 2, 2]);
  assert.is(ordinalAmong(2, { ...third, DITLAB_CUDA_DEVICE: "1" }), 1);
  assert.throws(
    () => ordinalAmong(2, third),
    /^3 ranks on this machine take a GPU each, and CUDA shows 2 GPUs; start fewer ranks, or say by DITLAB_CUDA_DEVICE/,
  );
  for (const chosen of ["2", "-1", "first"])
    assert.throws(
      () => ordinalAmong(2, { DITLAB_CUDA_DEVICE: chosen }),
      ({ message }: Error) =>
        message ===
        `DITLAB_CUDA_DEVICE must be the number of a GPU from 0, and CUDA shows 2 GPUs, got '${chosen}'`,
    );
});
test.run();
