/** Where a launcher (`mpirun`, `srun`) says that it has started this process as one of several. */

export interface Launch {
  /** Which of the processes this is, from 0. */
  readonly rank: number;
  /** How many there are, at least 2. */
  readonly size: number;
  /** Which of those on this machine it is, and how many these are. */
  readonly localRank: number;
  readonly localSize: number;
  /** Whose libraries can speak with the others: what the launcher belongs to, where that is known. */
  readonly family?: "Open MPI" | "MPICH";
}

/** Names of the variables in which launchers say so. */
const LAUNCHERS: readonly {
  family?: Launch["family"];
  rank: string;
  size: string;
  localRank: string;
  localSize: string;
}[] = [
  {
    family: "Open MPI",
    rank: "OMPI_COMM_WORLD_RANK",
    size: "OMPI_COMM_WORLD_SIZE",
    localRank: "OMPI_COMM_WORLD_LOCAL_RANK",
    localSize: "OMPI_COMM_WORLD_LOCAL_SIZE",
  },
  {
    rank: "PMIX_RANK",
    size: "SLURM_STEP_NUM_TASKS",
    localRank: "SLURM_LOCALID",
    localSize: "SLURM_NTASKS_PER_NODE",
  },
  {
    family: "MPICH",
    rank: "PMI_RANK",
    size: "PMI_SIZE",
    localRank: "MPI_LOCALRANKID",
    localSize: "MPI_LOCALNRANKS",
  },
];

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * What the launcher of this process says, where there are several.
 * @throws where tasks of Slurm have no way to find each other
 */
export function launchOf(
  env: Readonly<Record<string, string | undefined>> = process.env,
): Launch | undefined {
  if (!launcherIn(env) && Number(env.SLURM_STEP_NUM_TASKS) > 1 && env.SLURM_PROCID !== undefined)
    throw new Error(
      `srun started ${env.SLURM_STEP_NUM_TASKS} tasks that cannot find each other; start them by 'srun --mpi=pmix' (Open MPI) or 'srun --mpi=pmi2' (MPICH)`,
    );
  return launchIn(env);
}

const launcherIn = (env: Environment) =>
  LAUNCHERS.find(({ rank, size }) => env[rank] !== undefined && env[size] !== undefined);

/** The same; tasks that cannot find each other are taken for processes that are alone. */
export function launchIn(env: Environment): Launch | undefined {
  const launcher = launcherIn(env);
  if (!launcher) return undefined;
  const number = (name: string, otherwise: number): number => {
    const value = Number.parseInt(env[name] ?? "", 10);
    return Number.isNaN(value) ? otherwise : value;
  };
  const [rank, size] = [number(launcher.rank, 0), number(launcher.size, 1)];
  if (size < 2) return undefined;
  const localSize = number(launcher.localSize, slurmTasks(env) ?? size);
  const localRank = number(launcher.localRank, number("SLURM_LOCALID", rank % localSize));
  return { rank, size, localRank, localSize, ...(launcher.family && { family: launcher.family }) };
}

/** Tasks on this node of Slurm's, of all nodes' in one text: `4(x2),3` is 4, 4 and 3. */
function slurmTasks({
  SLURM_STEP_TASKS_PER_NODE: all = "",
  SLURM_NODEID: node = "0",
}: Environment): number | undefined {
  const tasks = [...all.matchAll(/(\d+)(?:\(x(\d+)\))?/g)].flatMap(([, count, nodes = "1"]) =>
    Array<number>(Number(nodes)).fill(Number(count)),
  );
  return tasks[Number(node)];
}

/** Whether there is anything of a launcher's to look at, which costs next to nothing. */
export const isLaunched = (env: Readonly<Record<string, string | undefined>> = process.env): boolean =>
  [...LAUNCHERS.map(({ rank }) => rank), "SLURM_PROCID"].some((name) => env[name] !== undefined);

/** Threads that each process on a machine may use, so that together they are as many as its processors. */
export const threadsFor = ({ localSize }: Launch, machine: number, allowed: number): number =>
  // Launchers that bind processes to processors have divided them already.
  allowed < machine ? allowed : Math.max(1, Math.floor(machine / localSize));
