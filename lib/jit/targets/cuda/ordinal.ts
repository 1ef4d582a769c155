/** Which of the GPUs that CUDA shows (`CUDA_VISIBLE_DEVICES`) a process computes on: the first, or one for each of several. */
import { type Launch, launchIn } from "../../../distributed/launch.ts";

type Place = Pick<Launch, "localRank" | "localSize">;

const ALONE: Place = { localRank: 0, localSize: 1 };

/**
 * The number of the GPU to open, of so many: what `DITLAB_CUDA_DEVICE` says, else that of this rank among those of its machine.
 * @throws where there are fewer
 */
export function ordinalAmong(
  count: number,
  env: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const shown = `CUDA shows ${count === 1 ? "1 GPU" : `${count} GPUs`}`;
  const { DITLAB_CUDA_DEVICE: chosen } = env;
  if (chosen) {
    if (/^\d+$/.test(chosen) && Number(chosen) < count) return Number(chosen);
    throw new RangeError(
      `DITLAB_CUDA_DEVICE must be the number of a GPU from 0, and ${shown}, got '${chosen}'`,
    );
  }
  const { localRank, localSize } = launchIn(env) ?? ALONE;
  if (localSize > count)
    throw new Error(
      `${localSize} ranks on this machine take a GPU each, and ${shown}; start fewer ranks, or say by DITLAB_CUDA_DEVICE which GPU a rank takes (0 where the launcher shows each rank its own)`,
    );
  return localRank;
}
