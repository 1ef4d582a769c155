/** Lines of text that a cell asks its front end for. */
import type { Message } from "../protocol/message.ts";
import { currentCell } from "../runtime/cell.ts";
import type { Outbox } from "./outbox.ts";

export interface Input {
  /** Asks the front end for a line of text. */
  ask(prompt: string, password: boolean): Promise<string>;
  /** Hands a front end's answer to the cell that waits for one. */
  answer(message: Message): void;
  /** Nobody waits any more: the cell has ended. */
  forget(): void;
}

export function createInput(outbox: Outbox, flush: () => void): Input {
  let waiting: ((value: string) => void) | undefined;
  return {
    ask(prompt, password) {
      const cell = currentCell();
      if (cell?.request.content.allow_stdin !== true)
        return Promise.reject(new Error("input() needs a front end that can ask, and this one cannot"));
      flush();
      return new Promise<string>((resolve, reject) => {
        waiting = resolve;
        cell.pending.add(reject);
        outbox.post("stdin", cell.request, "input_request", { prompt, password });
      });
    },
    answer({ header, content }) {
      if (header.msg_type === "input_reply") waiting?.(String(content.value ?? ""));
      waiting = undefined;
    },
    forget() {
      waiting = undefined;
    },
  };
}
