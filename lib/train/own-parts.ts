/** Parts of a task that its config does not describe. Checkpoints name them, as a run goes on with the same ones alone. */
import { isDeepStrictEqual } from "node:util";
import { configOf } from "../described.ts";
import type { TaskConfig } from "./make-task.ts";
import { lossNames, type Task } from "./task.ts";

export interface OwnParts {
  network?: string;
  process?: string;
  /** The names of all methods. */
  methods?: string[];
}

/** What of a task is not as its config has it; undefined where all is. */
export function ownParts(task: Task, config: TaskConfig): OwnParts | undefined {
  const isOf = (part: object, expected: unknown): boolean => isDeepStrictEqual(configOf(part), expected);
  const { network, process, methods } = task;
  const own: OwnParts = {
    ...(!isOf(network, config.model) && { network: network.name }),
    ...(!isOf(process, config.process) && { process: process.config.type }),
    ...(!(
      methods.length === config.methods.length &&
      methods.every((method, i) => isOf(method, config.methods[i]))
    ) && { methods: lossNames(task) }),
  };
  return Object.keys(own).length > 0 ? own : undefined;
}

/** A checkpoint is of another task. */
export class OtherTaskError extends Error {}

/** @throws where a checkpoint is of other parts than those that are there to go on with it; methods may be any, if said. */
export function checkOwn(
  path: string,
  was: OwnParts | undefined,
  got: OwnParts | undefined,
  anyMethods = false,
): void {
  const compared = (own: OwnParts | undefined): OwnParts => {
    const { methods, ...others } = own ?? {};
    return anyMethods || methods === undefined ? others : { ...others, methods };
  };
  if (isDeepStrictEqual(compared(was), compared(got))) return;
  const shown = (own: OwnParts | undefined): string =>
    own === undefined
      ? "what its config describes"
      : [
          own.network && `a network of its own, ${own.network}`,
          own.process && `a process of its own, ${own.process}`,
          own.methods && `the methods ${own.methods.join(", ") || "none"}`,
        ]
          .filter(Boolean)
          .join(" and ");
  throw new OtherTaskError(
    `${path} was trained with ${shown(was)}; expected a task of these parts, got ${shown(got)}`,
  );
}
