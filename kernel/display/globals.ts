/** The names that every cell has. */
import { comms as communication } from "../comms/index.ts";
import { widget as custom } from "../widgets/custom.ts";
import { ui as controls } from "../widgets/ui.ts";
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
  /** Sliders, buttons and other controls: `ui.slider({ label: "noise" })`. */
  var ui: typeof controls;
  /** A widget with a module of its own in the page, whose state both sides share. */
  var widget: typeof custom;
  /** Messages to and from code in the front end. */
  var comms: typeof communication;
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
  globalThis.ui = controls;
  globalThis.widget = custom;
  globalThis.comms = communication;
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
