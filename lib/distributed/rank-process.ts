/** The command's process that computes, one of several. */
import { type Communicator, RankError } from "./communicator.ts";
import { launchOf } from "./launch.ts";
import { joinMpi, type MpiOptions, PATIENCE } from "./mpi.ts";
import { withNccl } from "./nccl.ts";
import { killed, ordinaryTurn, type RankMessage, SUPERVISED, sayEnd } from "./supervise.ts";

/** Joins the processes that a launcher started; nothing where this one is alone. */
export function joinRanks(options: MpiOptions = {}): Communicator | undefined {
  const launch = launchOf();
  if (!launch) return undefined;
  // Without the one that watches it this process would wait for others that are gone.
  if (process.env[SUPERVISED])
    process.on("disconnect", () => {
      sayEnd(killed(launch, "SIGKILL"), folder);
      process.kill(process.pid, "SIGKILL");
    });
  process.channel?.unref();
  // What waits for all ranks to begin cannot watch the time itself.
  tell({ joining: options.patience ?? PATIENCE });
  const ranks = withNccl(joinMpi(launch, options));
  tell({ joined: true });
  return ranks;
}

const tell = (message: RankMessage): void => void process.send?.(message);

let folder: string | undefined;

/** Says where the run's checkpoints lie, for whoever tells of the last one. */
export function tellFolder(path: string): void {
  folder = path;
  tell({ folder: path });
}

/** Lets the process that watches this one see its end, also where that one was stopped meanwhile. */
export function wakeWatcher(): void {
  if (process.env[SUPERVISED]) process.kill(process.ppid, "SIGCONT");
}

/** Ends this rank, and with it all others, by one sentence. Returns at once where no process watches this one. */
export async function failRank(error: unknown): Promise<void> {
  const launch = process.env[SUPERVISED] ? launchOf() : undefined;
  if (!launch) return;
  const { message } = error instanceof Error ? error : new Error(String(error));
  // Those that wait for a rank know the same of it, and one of them speaks.
  if (error instanceof RankError)
    tell({ failed: message, turn: error.speaker === launch.rank ? "at once" : "never" });
  else
    tell({
      failed: launch.rank === 0 ? message : `rank ${launch.rank}: ${message}`,
      turn: ordinaryTurn(launch),
    });
  // Until it is ended.
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
