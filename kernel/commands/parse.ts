/**
 * The notebook's own commands in a cell, as IPython writes them: `%name …` and `!command` on lines of their own, `%%name …`
 * over a whole cell. They become calls in the cell's code, on the same line, so that they run in order with the rest.
 */

/** Where compiled cells find what runs the commands; no name, which completions would offer. */
export const COMMANDS = Symbol.for("ditlab.kernel.commands");
const RUNTIME = '(globalThis as any)[Symbol.for("ditlab.kernel.commands")]';

/** What a line may begin with, and what it does. */
export const LINES = {
  npm: "run npm in the notebook's folder: %npm install fflate",
  time: "how long a line, or with %%time the cell, takes",
  timeit: "how long a line, or with %%timeit the cell, takes on average",
  who: "the names that cells have declared, with their types",
  whos: "the same, with their values",
  cd: "change the working folder",
  env: "environment variables: %env, %env NAME, %env NAME=value",
  lsmagic: "this list",
} as const;

/** What a cell may begin with. */
export const CELLS = {
  sh: "run the cell in a shell",
  bash: "run the cell in bash",
  html: "show the cell as HTML",
  markdown: "show the cell as Markdown",
  latex: "show the cell as LaTeX",
  svg: "show the cell as SVG",
} as const;

/** What is written here in place of commands of IPython's that readers try. */
const INSTEAD: Record<string, string> = {
  matplotlib: "figures show themselves: display.plot([{ y: [1, 2, 3] }])",
  pip: "packages come from npm: %npm install name",
  conda: "packages come from npm: %npm install name",
  run: 'a module is imported: await import("./file.ts")',
  load: 'a module is imported: await import("./file.ts")',
  writefile: 'files are written by node:fs: writeFileSync("name", text)',
  autoreload: "edited modules are loaded again at their next import",
  load_ext: "packages are imported",
  pwd: "the folder is process.cwd()",
  javascript: "a cell is TypeScript, which JavaScript is, too",
  js: "a cell is TypeScript, which JavaScript is, too",
  typescript: "a cell is TypeScript",
  capture: "output is not captured",
  python: "cells are TypeScript; a shell runs Python: !python3 file.py",
};

/** A command that is none: one sentence says what to write. */
export class UnknownCommand extends Error {
  override name = "UnknownCommand";
  constructor(command: string) {
    const instead = INSTEAD[command.replace(/^[%!]+/, "")];
    super(`${command} is no command of this kernel; ${instead ?? "%lsmagic lists those that are"}`);
  }
}

export interface CellReader {
  /** Whether code is whole statements, after which another begins. */
  isWhole(code: string): boolean;
  /** Whether code has the grammar of the language. */
  isGrammatical(code: string): boolean;
  /** Whether a name means something in the notebook. */
  isKnown(name: string): boolean;
}

const call = (name: string, ...values: string[]): string =>
  `${RUNTIME}.${name}(${values.map((value) => JSON.stringify(value)).join(", ")})`;

/** Code whose time is taken, many times over. */
function timed(code: string, { isGrammatical }: CellReader): string {
  const isExpression = isGrammatical(`(${code}\n)`);
  const body = isExpression ? `(${code}\n)` : `{ ${code}\n}`;
  return `await ${RUNTIME}.timeit(${/\bawait\b/.test(code) ? "async " : ""}() => ${body})`;
}

function lineCall(line: string, isLast: boolean, reader: CellReader): string {
  if (line.startsWith("!")) return `await ${call("shell", line.slice(1))};`;
  const [, name, rest] = /^%(\S+)\s*(.*)$/.exec(line)!;
  if (!Object.hasOwn(LINES, name)) throw new UnknownCommand(`%${name}`);
  if (name === "npm") return `await ${call("checkedShell", `npm ${rest}`)};`;
  if (name === "timeit") return `${timed(rest, reader)};`;
  // What ends the cell is shown: its time is taken when the cell is done.
  if (name === "time") return `${RUNTIME}.startClock(); ${rest}${isLast ? "" : `; ${RUNTIME}.stopClock();`}`;
  return `${call(name, rest)};`;
}

/** Whether a line is a command: where a statement may begin, and not an expression such as `!flag`. */
function isCommand(line: string, before: string, reader: CellReader): boolean {
  if (!/^(%[a-z]|![^\s=])/.test(line) || !reader.isWhole(before)) return false;
  if (line.startsWith("%")) return true;
  const [, name] = /^!+\(*([\w$]+)/.exec(line) ?? [];
  return !(reader.isGrammatical(line) && (name === undefined || reader.isKnown(name)));
}

/** The code of a cell whose first line is for all of it. */
function wholeCell(name: string, rest: string, body: string, reader: CellReader): string {
  if (name === "time") return `${RUNTIME}.startClock();\n${body}`;
  if (name === "timeit") return `${rest} ${timed(body.replace(/;\s*$/, ""), reader)};`;
  if (name === "sh" || name === "bash") return `await ${call("checkedShell", body, name)};`;
  if (Object.hasOwn(CELLS, name)) return `display.${name}(${JSON.stringify(body)});`;
  throw new UnknownCommand(`%%${name}`);
}

/**
 * The parts of a cell, to be run one after another: commands before any code run first, so that what they install can be
 * imported. Lines stay where they are.
 * @throws {UnknownCommand}
 */
export function cellParts(code: string, reader: CellReader): string[] {
  const whole = /^(\s*)%%(\S+)[ \t]*(.*)(?:\n([\s\S]*))?$/.exec(code);
  if (whole) return [whole[1] + wholeCell(whole[2], whole[3], whole[4] ?? "", reader)];
  if (!/^[%!]/m.test(code)) return [code];
  const lines = code.split("\n");
  const last = lines.findLastIndex((line) => line.trim() !== "");
  let leading = 0;
  const written = lines.map((line, i) => {
    const before = lines.slice(0, i).map((one) => (/^[%!]/.test(one) ? "" : one));
    if (!isCommand(line, before.join("\n"), reader)) return line;
    if (before.every((one) => one.trim() === "")) leading = i + 1;
    return lineCall(line, i === last, reader);
  });
  const rest = written.slice(leading);
  if (leading === 0 || rest.every((line) => line.trim() === "")) return [written.join("\n")];
  return [written.slice(0, leading).join("\n"), "\n".repeat(leading) + rest.join("\n")];
}
