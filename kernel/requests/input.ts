/** Lines of text that a cell asks its front end for. */
import type { Sockets } from "../protocol/channel.ts";
import type { Message } from "../protocol/message.ts";
import { currentCell } from "../runtime/cell.ts";
import { KeyboardInterrupt } from "../runtime/interrupt.ts";
import type { Outbox } from "./outbox.ts";

export interface Input {
  /** Asks the front end for a line of text. */
  ask(prompt: string, password: boolean): Promise<string>;
  /** The same, and nothing else happens until it has answered. Throws if the cell is stopped first. */
  askNow(prompt: string): string;
  /** Hands a front end's answer to the cell that waits for one. */
  answer(message: Message): void;
  /** Nobody waits any more: the cell has ended. */
  forget(): void;
}

const textOf = ({ content }: Message): string => String(content.value ?? "");

export function createInput(
  outbox: Outbox,
  waitForAnswer: Sockets["waitForAnswer"],
  flush: () => void,
): Input {
  let waiting: ((value: string) => void) | undefined;
  return {
    askNow(prompt) {
      const cell = currentCell();
      if (cell?.request.content.allow_stdin !== true)
        throw new Error("prompt() needs a front end that can ask, and this one cannot");
      flush();
      outbox.post("stdin", cell.request, "input_request", { prompt, password: false });
      const answer = waitForAnswer();
      if (!answer) throw new KeyboardInterrupt();
      return textOf(answer);
    },
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
    answer(message) {
      if (message.header.msg_type === "input_reply") waiting?.(textOf(message));
      waiting = undefined;
    },
    forget() {
      waiting = undefined;
    },
  };
}
