/** The debugger in a real JupyterLab, in headless Chromium. `DITLAB_TEST_JUPYTERLAB` names a `jupyter-lab` to use. */
import type { Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Lab, labAvailable, openInLab } from "../lab.ts";

const maybe = labAvailable ? test : test.skip;

const CELLS = [
  'const prices = new Map([["tea", 3], ["coffee", 4]]);\nlet total = 0;',
  'function order(drink: string, cups: number): number {\n  const price = prices.get(drink) ?? 0;\n  total += price * cups;\n  return total;\n}\norder("tea", 2);\norder("coffee", 3);',
];

let lab: Lab | undefined;
let page: Page;

test.before(async () => {
  if (!labAvailable) return;
  lab = await openInLab(CELLS);
  page = lab.page;
  await page.waitForSelector(".jp-Notebook .jp-CodeCell .cm-content", { timeout: 60_000 });
});

test.after(async () => {
  await lab?.close();
});

/** Waits until an expression holds in the page. */
const until = (expression: string) => page.waitForFunction(expression, undefined, { timeout: 60_000 });
/** Waits until what a selector finds has a text that matches. */
const shows = (selector: string, pattern: RegExp, i = 0) =>
  until(`${pattern}.test(document.querySelectorAll("${selector}")[${i}]?.textContent ?? "")`);

const cell = (i: number) => page.locator(".jp-Notebook .jp-CodeCell").nth(i);
const numbered = (i: number) => shows(".jp-CodeCell .jp-InputPrompt", /\[\d+\]/, i);
async function runCell(i: number): Promise<void> {
  await cell(i).locator(".cm-content").click();
  await page.keyboard.press("Control+Enter");
}

/** The line on which the program is paused. */
const LINE = ".cm-line.jp-DebuggerEditor-highlight";
const VARIABLES = ".jp-DebuggerVariables";

maybe("the bug icon is live, and begins to debug", async () => {
  await until(`document.querySelector(".jp-DebuggerBugButton")?.getAttribute("aria-disabled") === "false"`);
  await runCell(0);
  await numbered(0);
  await page.locator(".jp-DebuggerBugButton").first().click();
  await shows(VARIABLES, /total:? *0.*prices:? *Map\(2\)/s);
});

maybe("a click beside a line sets a breakpoint, at which the cell stops", async () => {
  await cell(1).locator(".cm-content").click();
  await cell(1).locator(".cm-breakpoint-gutter .cm-gutterElement").nth(3).click();
  await page.waitForSelector(".jp-DebuggerBreakpoint", { timeout: 20_000 });
  await runCell(1);
  await shows(LINE, /total \+= price/);
  await shows(VARIABLES, /drink:? *'tea'/);
  const stack = await page.locator(".jp-DebuggerCallstackFrame").allTextContents();
  assert.is(stack.length, 2);
  assert.match(stack[0], /order/);
  await page.evaluate("jupyterapp.shell.collapseLeft()");
});

maybe("the next line, the next stop, and the end", async () => {
  await page.keyboard.press("F10");
  await shows(LINE, /return total/);
  await page.keyboard.press("F9");
  await shows(VARIABLES, /drink:? *'coffee'/);
  await page.keyboard.press("F9");
  await numbered(1);
  await shows(".jp-CodeCell .jp-OutputArea-output", /18/);
  await until(`document.querySelectorAll("${LINE}").length === 0`);
});

maybe("a kernel that is restarted to be debugged has the breakpoints of before", async () => {
  // It ends with the notebook's run, which the page may not outlive.
  page.evaluate(`jupyterapp.commands.execute("debugger:restart-debug")`).catch(() => {});
  await page.locator(".jp-Dialog .jp-mod-accept").click();
  await shows(VARIABLES, /drink:? *'tea'/);
  await shows(LINE, /total \+= price/);
  await page.locator(".jp-DebuggerBugButton").first().click();
  await shows(".jp-CodeCell .jp-OutputArea-output", /18/);
});

test.run();
