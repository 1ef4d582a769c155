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
}

export function installGlobals({
  input,
}: {
  input(prompt: string, password: boolean): Promise<string>;
}): void {
  globalThis.display = show;
  globalThis.progress = bar;
  globalThis.input = (prompt = "", { password = false } = {}) => input(prompt, password);
}
