/** How far all jobs of a folder are: in the terminal of who asked for them, and in the folder for `ditlab watch`. */
import type { Reporter } from "../../experiments/reporter.ts";
import type { QueueState } from "./enqueue.ts";
import { noteState, type SharedFolder } from "./shared-folder.ts";

/** @param what the jobs are, as "runs" */
export function folderProgress(
  folder: SharedFolder,
  reporter: Reporter,
  what: string,
): (state: QueueState) => Promise<void> {
  let told = "";
  return async (state) => {
    const { jobs, done, begun, failed, work } = state;
    const more = failed > 0 ? `, ${failed} failed` : "";
    reporter.update(work, `${done} of ${jobs} ${what} done, ${begun} under way${more}`);
    const now = JSON.stringify(state);
    if (now !== told) await noteState(folder, state);
    told = now;
  };
}
