/** Requests wait in a list and are answered one after another, in the order in which they came. */
import type { Message } from "../protocol/message.ts";

export interface Queue {
  push(request: Message): void;
  /** Whether a request is being answered. */
  busy(): boolean;
}

export const isCell = ({ header }: Message): boolean => header.msg_type === "execute_request";

/** @param waiting the list, from which others may take what is not to be answered any more */
export function createQueue(waiting: Message[], answer: (request: Message) => Promise<void>): Queue {
  let working = false;
  async function work(): Promise<void> {
    working = true;
    for (let request = waiting.shift(); request; request = waiting.shift()) await answer(request);
    working = false;
  }
  return {
    push(request) {
      waiting.push(request);
      if (!working) void work();
    },
    busy: () => working,
  };
}
