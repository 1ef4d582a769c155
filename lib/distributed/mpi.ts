/** Processes that `mpirun` or `srun` started, through MPI. Calls wait on threads of their own, and never on Node's. */
import { setTimeout as sleep } from "node:timers/promises";
import type { KoffiFunc } from "koffi";
import { type Communicator, type Numbers, named, RankError } from "./communicator.ts";
import type { Launch } from "./launch.ts";
import { checkConnection, type Handle, type MpiLibrary, openMpiLibrary } from "./mpi-library.ts";

export interface MpiOptions {
  /** Seconds after which ranks that do not come are given up. */
  patience?: number;
}

/** Seconds: a rank may be writing a large checkpoint, or drawing samples, while the others wait. */
export const PATIENCE = 600;
/** Milliseconds in which those that wait find each other, who have all waited for as long. */
const ROLL_CALL = 3000;
/** Counts are C's `int`, and numbers this many at a time fit into it. */
const MOST = 2 ** 28;
const PRESENT = 1;

/**
 * Joins the processes of a launch.
 * @throws where no library of the launcher's is there, and where it finds another number of processes
 */
export function joinMpi(launch: Launch, { patience = PATIENCE }: MpiOptions = {}): Communicator {
  checkConnection();
  const mpi = openMpiLibrary(launch);
  const { handle, world, sum, inPlace } = mpi;
  const check = (status: number, what: string): void => {
    if (status !== 0) throw new Error(`${mpi.name}: ${what} failed (${status})`);
  };
  const word = new Int32Array(1);
  const initialize = mpi.function("MPI_Init_thread", ["void *", "void *", "int", "void *"]);
  // On this thread, which lives on: Open MPI's does not bear it elsewhere.
  check(initialize(null, null, mpi.threadMultiple, word), "MPI_Init_thread");
  if (word[0] < mpi.threadMultiple)
    throw new Error(`${mpi.name} was built without threads (MPI_THREAD_MULTIPLE), which are needed here`);
  const asked = (name: string): number => {
    check(mpi.function(name, [handle, "void *"])(world, word), name);
    return word[0];
  };
  const [rank, size] = [asked("MPI_Comm_rank"), asked("MPI_Comm_size")];
  if (size !== launch.size)
    throw new Error(
      `the launcher started ${launch.size} processes, but ${mpi.name} knows of ${size}; is it the launcher's own library? DITLAB_MPI names another`,
    );

  const allReduce = mpi.function("MPI_Allreduce", ["intptr", "void *", "int", handle, handle, handle]);
  const reduce = mpi.function("MPI_Reduce", ["void *", "void *", "int", handle, handle, "int", handle]);
  const broadcast = mpi.function("MPI_Bcast", ["void *", "int", handle, "int", handle]);
  const finalize = mpi.function("MPI_Finalize", []);
  const rollCall = rollCaller(mpi, rank, size);

  /** Waits for what all ranks do, for as long as they may take. */
  const together = async <T>(work: Promise<T>): Promise<T> => {
    for (let isFirst = true; ; isFirst = false) {
      const outcome = await within(patience, work);
      if (outcome !== LATE) return outcome;
      const absent = await rollCall();
      // All are there: it was this one that the others waited for, and it may still come to an end.
      if (absent.length > 0 || !isFirst) throw late(absent);
    }
  };
  const late = (absent: readonly number[]): RankError => {
    const speaker = Array.from({ length: size }, (_, i) => i).find((i) => !absent.includes(i))!;
    const what =
      absent.length > 0
        ? `${named(absent)} of ${size} did not come within ${patience} s to where the others wait`
        : `the ${size} ranks wait for each other and have not come further within ${2 * patience} s`;
    return new RankError(what, speaker);
  };
  const patiently = async (call: Promise<number>, what: string): Promise<void> =>
    check(await together(call), what);
  const type = (numbers: Numbers): Handle => (numbers instanceof Float32Array ? mpi.float : mpi.double);
  const inPieces = async (numbers: Numbers, what: string, call: (piece: Numbers) => Promise<number>) => {
    for (let from = 0; from < numbers.length; from += MOST)
      await patiently(call(numbers.subarray(from, from + MOST)), what);
  };
  const allSum = (numbers: Numbers): Promise<void> =>
    inPieces(numbers, "MPI_Allreduce", (piece) =>
      apart(allReduce, inPlace, piece, piece.length, type(piece), sum, world),
    );
  return {
    rank,
    size,
    engine: mpi.name,
    sum: (numbers, to) =>
      to === undefined
        ? allSum(numbers)
        : inPieces(numbers, "MPI_Reduce", (piece) =>
            // Not in place: MPICH 4.0 reads from what stands for that.
            apart(
              reduce,
              rank === to ? piece.slice() : piece,
              piece,
              piece.length,
              type(piece),
              sum,
              to,
              world,
            ),
          ),
    broadcast: (numbers, from = 0) =>
      inPieces(numbers, "MPI_Bcast", (piece) =>
        apart(broadcast, piece, piece.length, type(piece), from, world),
      ),
    together,
    close: async () => {
      await allSum(new Float64Array(1));
      // By the thread that began, as the standard has it; all are there.
      check(finalize(), "MPI_Finalize");
    },
  };
}

const LATE = Symbol("late");

/** What comes of some work, or that it takes longer than so many seconds. */
async function within<T>(seconds: number, work: Promise<T>): Promise<T | typeof LATE> {
  const waiting = new AbortController();
  const late = sleep(1000 * seconds, LATE, { signal: waiting.signal });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    waiting.abort();
  }
}

/** Calls a function on a thread of its own. */
export const apart = (call: KoffiFunc<(...args: unknown[]) => number>, ...args: unknown[]): Promise<number> =>
  new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null, status: number) => (error ? reject(error) : resolve(status)));
  });

/**
 * Finds out who is there while a call of all of them waits: everybody sends everybody a word, and those of whom none has come
 * are not.
 */
function rollCaller(mpi: MpiLibrary, rank: number, size: number): () => Promise<number[]> {
  const { handle, float, world, ignore } = mpi;
  const send = mpi.function("MPI_Send", ["void *", "int", handle, "int", "int", handle]);
  const probe = mpi.function("MPI_Iprobe", ["int", "int", handle, "void *", "intptr"]);
  const receive = mpi.function("MPI_Recv", ["void *", "int", handle, "int", "int", handle, "intptr"]);
  const others = Array.from({ length: size }, (_, i) => i).filter((i) => i !== rank);
  return async () => {
    const word = Float32Array.of(rank);
    // To one that is gone it may never get through.
    for (const other of others) void apart(send, word, 1, float, other, PRESENT, world).catch(() => {});
    const absent = new Set(others);
    const flag = new Int32Array(1);
    for (const until = Date.now() + ROLL_CALL; absent.size > 0 && Date.now() < until; await sleep(50))
      for (const other of absent) {
        probe(other, PRESENT, world, flag, ignore);
        if (!flag[0]) continue;
        receive(new Float32Array(1), 1, float, other, PRESENT, world, ignore);
        absent.delete(other);
      }
    return [...absent];
  };
}
