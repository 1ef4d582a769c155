/** The frozen teacher of a run: the network of another one. */
import { join } from "node:path";
import { predictsAlike } from "../diffusion/process.ts";
import type { Params } from "../tensor/params.ts";
import { disposeTree } from "../tensor/tree.ts";
import { latestCheckpoint } from "./checkpoint.ts";
import type { TaskConfig } from "./make-task.ts";
import { contradictions } from "./run-folder.ts";

/**
 * The parameters of a run's network as its newest checkpoint has them, not their average, for the frozen teacher of a run
 * with another config.
 * @throws where the folder holds no checkpoint, and where its network or process is another
 */
export async function readTeacher(
  folder: string,
  { model, process }: Pick<TaskConfig, "model" | "process">,
): Promise<Params> {
  const found = await latestCheckpoint(join(folder, "checkpoints"), { anyMethods: true });
  if (!found) throw new Error(`${folder} holds no checkpoint; expected the run folder of the frozen teacher`);
  const { config, state } = found.checkpoint;
  const { params, ...rest } = state;
  disposeTree(rest);
  const faults = contradictions({ model: config.model }, { model });
  if (!predictsAlike(config.process, process))
    faults.push(...contradictions({ process: config.process }, { process }));
  if (faults.length === 0) return params;
  disposeTree(params);
  throw new Error(
    `the network of ${folder} cannot be the frozen teacher of this run, whose own must be the same: ${faults.join("; ")}`,
  );
}
