/** A command that several processes work at, which `mpirun` or `srun` started. */
import { Option } from "commander";
import type { Communicator } from "../distributed/communicator.ts";
import { PATIENCE } from "../distributed/mpi.ts";
import { failRank, joinRanks, wakeWatcher } from "../distributed/rank-process.ts";
import { stopSignal } from "./exit.ts";
import { positiveInteger } from "./options.ts";

export const rankTimeoutOption = (): Option =>
  new Option(
    "--rank-timeout <seconds>",
    "of a run on several ranks: how long they wait for one that does not come, before all end",
  )
    .argParser(positiveInteger)
    .default(PATIENCE);

/** Milliseconds after which a signal was no launcher's that ends all ranks, which begins like one that asks them to stop. */
const ENDING = 1500;

/** A signal that Ctrl-C sets (see `stopSignal`); rank 0 says what follows from it. */
export const rankStopSignal = (ranks: Communicator | undefined, onStop: () => void): AbortSignal =>
  stopSignal(ranks ? () => void setTimeout(onStop, ENDING).unref() : onStop);

/** Does this process's part of the work, and ends with the others; an error on one ends them all. */
export async function withRanks(
  { rankTimeout }: { rankTimeout: number },
  work: (ranks: Communicator | undefined) => Promise<void>,
): Promise<void> {
  try {
    const ranks = joinRanks({ patience: rankTimeout });
    await work(ranks);
    await ranks?.close();
    wakeWatcher();
  } catch (error) {
    await failRank(error);
    throw error;
  }
}
