/**
 * Loaded before tests of the library, puts all that they compile on a GPU. Results are brought to the host, where tests
 * read them synchronously.
 */
import { TARGETS, useTarget } from "../../../lib/jit/targets/index.ts";
import { type Tensor, tf } from "../../../lib/tensor/index.ts";
import { flattenTree, mapTree } from "../../../lib/tensor/tree.ts";
import { GPU_TARGET } from "./target.ts";

const target = TARGETS[GPU_TARGET];
const { compile } = target;
Object.assign(target, {
  async compile(...given: Parameters<typeof compile>) {
    const program = await compile(...given);
    return {
      ...program,
      async run(...use: Parameters<typeof program.run>) {
        const result = await program.run(...use);
        const read = new Map<Tensor, Tensor>();
        for (const { tensor } of flattenTree(result))
          if (!read.has(tensor)) read.set(tensor, tf.tensor(await tensor.data(), tensor.shape, tensor.dtype));
        for (const tensor of read.keys()) tensor.dispose();
        return mapTree(result, (tensor) => read.get(tensor)!);
      },
    };
  },
});
useTarget(GPU_TARGET);
