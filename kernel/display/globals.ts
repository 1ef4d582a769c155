/** The names that every cell has. */
import { type Display, display as show } from "./display.ts";
import { progress as bar } from "./progress.ts";

export interface InputOptions {
  /** Whether what is typed stays hidden. */
  password?: boolean;
}

declare global {
  /** Shows a value; `display.html`, `.markdown`, `.plot` and so on make values that show themselves. */
  var display: Display;
  /** A progress bar for an iterable, or for a number of things counted by hand. */
  var progress: typeof bar;
  /** Asks the reader of the notebook for a line of text. */
  var input: (prompt?: string, options?: InputOptions) => Promise<string>;
  /** Asks the reader for a line of text, as in a browser; what is left empty is `standard`, or `null`. */
  var prompt: (message?: string, standard?: string) => string | null;
  /** Asks the reader to say yes or no. */
  var confirm: (message?: string) => boolean;
  /** Shows the reader a message, and waits until it has been seen. */
  var alert: (message?: string) => void;
}

export function installGlobals({
  input,
  prompt,
}: {
  input(prompt: string, password: boolean): Promise<string>;
  prompt(prompt: string): string;
}): void {
  globalThis.display = show;
  globalThis.progress = bar;
  globalThis.prompt = (message = "", standard) => {
    const shown = standard === undefined ? message : `${message} [${standard}]`;
    return prompt(shown) || (standard ?? null);
  };
  globalThis.confirm = (message = "") => /^\s*(y|yes)\s*$/i.test(prompt(`${message} [y/N]`));
  globalThis.alert = (message = "") => {
    prompt(`${message} [Enter]`);
  };
  globalThis.input = (prompt = "", { password = false } = {}) => input(prompt, password);
}
