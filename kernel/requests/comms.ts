/** Comm messages of front ends: no cells, so they need not wait for one that awaits something. */
import { type CommManager, createComms } from "../comms/comms.ts";
import { describeError } from "../engine/errors.ts";
import type { Message } from "../protocol/message.ts";
import { createCell, currentCell, runningCell, withinCell } from "../runtime/cell.ts";
import { isInterrupt, orInterrupted } from "../runtime/interrupt.ts";
import type { Outbox } from "./outbox.ts";

export interface CommRequests {
  readonly comms: CommManager;
  /** Whether a message can be answered before the requests that wait. */
  overtakes(message: Message, waiting: readonly Message[]): boolean;
  /** Hands a message to the handlers. What they print belongs to it, and they can be stopped as cells can. */
  handle(message: Message): Promise<void>;
}

const isComm = ({ header }: Message): boolean => /^comm_(open|msg|close)$/.test(header.msg_type);

/** What a page asks when it is loaded, before its widgets can be used. */
const isAboutKernel = ({ header }: Message): boolean => /^(kernel|comm)_info_request$/.test(header.msg_type);

/** Tells of an error where the running code prints. */
export function reportError(error: unknown): void {
  const { ename, traceback } = describeError(error);
  process.stderr.write(`${isInterrupt(error) ? ename : traceback.join("\n")}\n`);
}

export function createCommRequests(outbox: Outbox): CommRequests {
  const comms = createComms(
    (type, content, options) => outbox.publish(currentCell()?.request, type, content, options),
    reportError,
  );
  return {
    comms,
    overtakes(message, waiting) {
      if (isAboutKernel(message)) return runningCell() !== undefined;
      if (!isComm(message) || !comms.knows(message)) return false;
      // Messages of one comm keep their order.
      return !waiting.some((other) => isComm(other) && other.content.comm_id === message.content.comm_id);
    },
    async handle(message) {
      const cell = createCell(message, 0);
      await withinCell(cell, async () => {
        try {
          await orInterrupted(comms.receive(message), cell);
        } catch {
          // It was stopped, and the handlers have said so.
        }
      });
    },
  };
}
