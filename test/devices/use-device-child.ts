/** A process that puts itself on devices, its arguments in turn (`-` for none), and prints a line of JSON for each. */
import { currentDevice, type Device, useDevice } from "../../lib/devices/index.ts";
import { jit } from "../../lib/jit/index.ts";
import { currentTarget } from "../../lib/jit/targets/index.ts";
import { type Tensor, tf } from "../../lib/tensor/index.ts";

for (const name of process.argv.slice(2)) {
  let error: string | undefined;
  let took: string | undefined;
  try {
    took = await useDevice(name === "-" ? undefined : (name as Device));
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  // Whatever came of it, the process runs.
  const double = jit((x: Tensor) => tf.mul(x, 2) as Tensor);
  const values = [...(await (tf.add(await double(tf.tensor1d([1, 2])), 1) as Tensor).data())];
  console.log(
    JSON.stringify({
      took,
      error,
      current: currentDevice(),
      eager: tf.getBackend(),
      target: currentTarget(),
      values,
    }),
  );
}
