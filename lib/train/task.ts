/** What is trained: a network, the process that it learns, and the methods that help it. */
import type { Method } from "../align/method.ts";
import type { Process } from "../diffusion/process.ts";
import type { Network } from "../models/network.ts";
import type { Params } from "../tensor/params.ts";
import type { RandomGenerator } from "../tensor/random.ts";

export interface Task {
  readonly network: Network;
  readonly process: Process;
  readonly methods: readonly Method[];
}

/** The name of each method's loss: its own, with a number where there are several of a kind. */
export const lossNames = ({ methods }: Pick<Task, "methods">): string[] =>
  methods.map(({ name }, i) => {
    const before = methods.slice(0, i).filter((other) => other.name === name).length;
    return before === 0 ? name : `${name}-${before + 1}`;
  });

/**
 * The network's parameters with those that methods add, which lie before the final layer, as in published code: PyTorch's
 * optimizer numbers its state by that order.
 */
function joined<T>(
  network: Readonly<Record<string, T>>,
  added: readonly Readonly<Record<string, T>>[],
): Record<string, T> {
  const isLast = (name: string): boolean => name.startsWith("final_layer.");
  const part = (last: boolean) => Object.entries(network).filter(([name]) => isLast(name) === last);
  return Object.fromEntries([
    ...part(false),
    ...added.flatMap((more) => Object.entries(more)),
    ...part(true),
  ]);
}

/** The shapes of all parameters by name. */
export const taskShapes = ({ network, methods }: Task): Record<string, number[]> =>
  joined(
    network.shapes,
    methods.map(({ parameters }) => parameters?.shapes ?? {}),
  );

/** The shapes of the parameters that methods add. */
export const headShapes = ({ methods }: Pick<Task, "methods">): Record<string, number[]> =>
  Object.assign({}, ...methods.map(({ parameters }) => parameters?.shapes ?? {}));

/** Random parameters: first the network's, then those of each method, so that all arms begin with one network. */
export function initTask({ network, methods }: Task, random: RandomGenerator): Params {
  const params = network.init(random);
  return joined(
    params,
    methods.map(({ parameters }) => parameters?.init(random) ?? {}),
  );
}

/** Whether a method has a frozen teacher, which has to be given. */
export const hasFrozenTeacher = ({ methods }: Pick<Task, "methods">): boolean =>
  methods.some(({ frozenTeacher }) => frozenTeacher);

/** Where it was not. */
export const NO_TEACHER =
  "a method has a frozen teacher, which is to be given: the run of the first stage, as --teacher or readTeacher has it";

/** Whether training changes a parameter. */
export const isTrained = ({ network }: Pick<Task, "network">, name: string): boolean =>
  !(name in network.shapes) || network.trainable(name);

/** Whether the moving averages carry a parameter. */
export const isAveraged = ({ methods }: Pick<Task, "methods">, name: string): boolean =>
  !methods.some(({ parameters }) => parameters && !parameters.averaged && name in parameters.shapes);
