/** The command's process that computes, one of several. */
import { type Communicator, RankError } from "./communicator.ts";
import { launchOf } from "./launch.ts";
import { joinMpi, type MpiOptions } from "./mpi.ts";
import { type RankMessage, SUPERVISED } from "./supervise.ts";

/** Joins the processes that a launcher started; nothing where this one is alone. */
export function joinRanks(options: MpiOptions = {}): Communicator | undefined {
  const launch = launchOf();
  if (!launch) return undefined;
  // Without the one that watches it this process would wait for others that are gone.
  if (process.env[SUPERVISED]) process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel?.unref();
  return joinMpi(launch, options);
}

const tell = (message: RankMessage): void => void process.send?.(message);

/** Says where the run's checkpoints lie, for whoever tells of the last one. */
export const tellFolder = (folder: string): void => tell({ folder });

/**
 * Ends this rank, and with it all others, by one sentence. Does not return where the process is watched.
 */
export async function failRank({ rank }: Communicator, error: unknown): Promise<void> {
  if (!process.env[SUPERVISED]) return;
  const { message } = error instanceof Error ? error : new Error(String(error));
  const speaks = !(error instanceof RankError) || error.speaker === rank;
  tell({ failed: error instanceof RankError || rank === 0 ? message : `rank ${rank}: ${message}`, speaks });
  // Until it is ended.
  await new Promise((resolve) => setTimeout(resolve, 60_000));
}
