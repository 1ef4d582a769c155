/**
 * What a notebook's user feels, for this kernel beside others, in alternation on one machine:
 *
 *     npm run build && npm run bench:kernel -- [--starts 5] [--cells 10000] [--deno PATH] [--python PATH]
 *
 * tslab's own kernel is always there; Deno's where its program is named (`npm install --prefix FOLDER deno`), ipykernel
 * where a Python that has it is.
 */

import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { KERNEL_ENVIRONMENT } from "../../kernel/install/build.ts";
import { type Kind, median, type Running, root, start } from "./running.ts";

const { values: options } = parseArgs({
  options: {
    starts: { type: "string", default: "5" },
    cells: { type: "string", default: "10000" },
    deno: { type: "string" },
    python: { type: "string" },
  },
});
const starts = Number(options.starts);

interface Language extends Kind {
  /** A cell that declares names. */
  readonly declaration: (i: number) => string;
  /** One that gives a name a new value, and shows one. */
  readonly again: (i: number) => string;
  /** One that prints that many lines. */
  readonly printing: (count: number) => string;
}

const typescript = {
  declaration: (i: number) =>
    `const value${i} = { index: ${i}, name: "n${i}" }; function f${i}(n: number) { return n + value${i}.index }`,
  again: (i: number) => `let again = { index: ${i} }; again.index`,
  printing: (count: number) => `for (let i = 0; i < ${count}; i++) console.log("line " + i)`,
};

const { deno, python } = options;
const KERNELS: Record<string, Language> = {
  // Each as its kernelspec starts it.
  ditlab: {
    ...typescript,
    command: (file) => [process.execPath, join(root, "dist/kernel/main.js"), file],
    env: KERNEL_ENVIRONMENT,
  },
  tslab: {
    ...typescript,
    command: (file) => [
      process.execPath,
      join(root, "node_modules/tslab/bin/tslab"),
      "kernel",
      "--config-path",
      file,
    ],
  },
  ...(deno && {
    Deno: { ...typescript, command: (file: string) => [deno, "jupyter", "--kernel", "--conn", file] },
  }),
  ...(python && {
    ipykernel: {
      command: (file: string) => [python, "-m", "ipykernel_launcher", "-f", file],
      declaration: (i: number) =>
        `value${i} = {"index": ${i}, "name": "n${i}"}\ndef f${i}(n: int) -> int: return n + value${i}["index"]`,
      again: (i: number) => `again = {"index": ${i}}; again["index"]`,
      printing: (count: number) => `for i in range(${count}): print("line", i)`,
    },
  }),
};

async function repeat(kernel: Running, count: number, code: (i: number) => string): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await kernel.run(code(i)));
  return times;
}

async function completions(kernel: Running, code: string): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < 10; i++)
    times.push((await kernel.ask("complete_request", { code, cursor_pos: code.length })).ms);
  return `${times[0].toFixed(0)} / ${median(times).toFixed(1)}`;
}

const simple = async (kernel: Running) => median(await repeat(kernel, 40, (i) => `1+${i}`)).toFixed(1);

/** The figures of one kernel, started anew; in milliseconds where nothing else is said. */
async function measure(name: string): Promise<Record<string, string>> {
  const { declaration, ...kind } = KERNELS[name];
  const kernel = await start(name, kind);
  try {
    return await figuresOf(kernel, declaration);
  } finally {
    // Also one that hangs, which would go on in the background.
    kernel.stop();
  }
}

async function figuresOf(
  kernel: Running,
  declaration: Language["declaration"],
): Promise<Record<string, string>> {
  await kernel.run("1+1");
  const ready = kernel.sinceStart();
  await sleep(1500);
  const atFirst = await simple(kernel);
  const declared = await repeat(kernel, 40, declaration);
  const early = kernel.memory();
  declared.push(...(await repeat(kernel, 960, (i) => declaration(i + 40))));
  return {
    "first cell done": ready.toFixed(0),
    "`1+1`, among the first cells": atFirst,
    "`1+1`, after 1,000 declarations": await simple(kernel),
    "a declaration, the 10th to 40th": median(declared.slice(10, 40)).toFixed(1),
    "a declaration, the 960th to 1,000th": median(declared.slice(-40)).toFixed(1),
    "completion, first / median": await completions(kernel, "value"),
    "memory at the 40th / 1,000th declaration, MB": `${early.toFixed(0)} / ${kernel.memory().toFixed(0)}`,
  };
}

/** Minutes that a long session may take, in which tslab's cells become slower and slower. */
const PATIENCE = 8;

/** Memory in a long session of cells that declare the same name. */
async function longSession(name: string): Promise<string> {
  const { again, ...kind } = KERNELS[name];
  const kernel = await start(name, kind);
  const count = Number(options.cells);
  const until = Date.now() + 60_000 * PATIENCE;
  let before = 0;
  const times: number[] = [];
  while (times.length < count && Date.now() < until) {
    times.push(await kernel.run(again(times.length)));
    if (times.length === count / 10) before = kernel.memory();
  }
  const result = `${before.toFixed(0)} / ${kernel.memory().toFixed(0)} MB, ${median(times.slice(-100)).toFixed(1)} ms a cell`;
  kernel.stop();
  return times.length < count ? `${result}, given up after ${times.length} cells` : result;
}

/** Milliseconds until the reply of a cell that prints `count` lines, and how many came. */
async function printing(name: string, count: number): Promise<string> {
  const kernel = await start(name, KERNELS[name]);
  await kernel.run("1+1");
  const time = kernel.run(KERNELS[name].printing(count));
  const ms = await Promise.race([time, new Promise((resolve) => setTimeout(() => resolve("never"), 30_000))]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const came = kernel.lines();
  kernel.stop();
  return `${came} of ${count}${typeof ms === "number" ? ` in ${ms.toFixed(0)} ms` : ", and the cell never ends"}`;
}

/** A hot loop without and with the checks that make it interruptible. */
async function guard(): Promise<string> {
  const kernel = await start("ditlab", KERNELS.ditlab);
  const loop = (off: boolean, body: string) =>
    `${off ? "// @no-interrupt-checks\n" : ""}{ let s = 0; for (let i = 0; i < 2e8; i++) ${body} }`;
  const ratio = async (body: string) => {
    const [plain, checked]: number[][] = [[], []];
    for (let i = 0; i < 5; i++) {
      plain.push(await kernel.run(loop(true, body)));
      checked.push(await kernel.run(loop(false, body)));
    }
    return (median(checked) / median(plain)).toFixed(2);
  };
  const result = `empty loop ${await ratio("{}")}x, adding ${await ratio("{ s += i }")}x`;
  kernel.stop();
  return result;
}

const names = Object.keys(KERNELS);
/** Says on the way what is being measured, since the whole takes a while. */
const say = (name: string, what: string): void => void process.stderr.write(`${name}: ${what}\n`);
const results = new Map<string, Record<string, string>[]>(names.map((name) => [name, []]));
for (let i = 0; i < starts; i++)
  for (const name of names) {
    try {
      const figures = await measure(name);
      say(name, JSON.stringify(figures));
      results.get(name)!.push(figures);
    } catch (error) {
      // A kernel that hangs, as tslab's does at times, must not take the others' figures with it.
      say(name, `no figures: ${(error as Error).message}`);
    }
  }

const row = (what: string, cells: readonly string[]): void =>
  console.log(`| ${what} | ${cells.join(" | ")} |`);
row("", names);
row(
  "---",
  names.map(() => "---"),
);
for (const what of Object.keys(results.get("ditlab")![0])) {
  const middle = (name: string) => {
    const figures = results.get(name)!.map((result) => result[what]);
    return figures.toSorted((a, b) => Number.parseFloat(a) - Number.parseFloat(b))[figures.length >> 1] ?? "";
  };
  row(what, names.map(middle));
}
const inTurn = async (body: (name: string) => Promise<string>, of: readonly string[]): Promise<string[]> => {
  const cells: string[] = [];
  for (const name of names) {
    const failed = (error: Error) => error.message;
    const cell = of.includes(name) ? await body(name).catch(failed) : "";
    say(name, cell);
    cells.push(cell);
  }
  return cells;
};
const count = Number(options.cells).toLocaleString("en");
row(`${count} cells that declare one name: memory after a tenth / all`, await inTurn(longSession, names));
row("2,000 printed lines", await inTurn((name) => printing(name, 2000), names));
row("100,000 printed lines", await inTurn((name) => printing(name, 100_000), ["ditlab"]));
row("checks in loops", await inTurn(guard, ["ditlab"]));
process.exit(0);
