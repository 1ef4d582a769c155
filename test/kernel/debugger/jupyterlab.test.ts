/** The debugger in a real JupyterLab, in headless Chromium. `DITLAB_TEST_JUPYTERLAB` names a `jupyter-lab` to use. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { installKernel } from "../../../kernel/install/kernelspec.ts";
import { type Notebook, writeNotebook } from "../../../kernel/notebook/format.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build } from "../helpers.ts";

const CHROMIUM = "/usr/bin/chromium";
const LAB = process.env.DITLAB_TEST_JUPYTERLAB ?? "jupyter-lab";
const available = existsSync(CHROMIUM) && spawnSync(LAB, ["--version"]).status === 0;
const maybe = available ? test : test.skip;

const CELLS = [
  'const prices = new Map([["tea", 3], ["coffee", 4]]);\nlet total = 0;',
  'function order(drink: string, cups: number): number {\n  const price = prices.get(drink) ?? 0;\n  total += price * cups;\n  return total;\n}\norder("tea", 2);\norder("coffee", 3);',
];

let server: ChildProcess | undefined;
let browser: Browser | undefined;
let page: Page;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

const notebook: Notebook = {
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: "ditlab", display_name: "TypeScript (ditlab)", language: "typescript" } },
  cells: CELLS.map((source, i) => {
    return { cell_type: "code", id: `c${i}`, metadata: {}, source, outputs: [], execution_count: null };
  }),
};

test.before(async () => {
  if (!available) return;
  build();
  const folder = await temporaryFolder();
  await installKernel({ dataFolder: folder, name: "ditlab", displayName: "TypeScript (ditlab)" });
  // No question of the server's stands over the page.
  await writeFile(
    join(folder, "overrides.json"),
    JSON.stringify({ "@jupyterlab/apputils-extension:notification": { fetchNews: "false" } }),
  );
  await writeNotebook(join(folder, "n.ipynb"), notebook);
  const port = await freePort();
  const env = {
    ...process.env,
    ...{ JUPYTER_PATH: folder, JUPYTER_DATA_DIR: folder, JUPYTER_CONFIG_DIR: folder, HOME: folder },
  };
  const options = [
    "--no-browser",
    "--allow-root",
    `--port=${port}`,
    "--IdentityProvider.token=",
    "--LabApp.expose_app_in_browser=True",
    `--LabApp.app_settings_dir=${folder}`,
    "--ip=127.0.0.1",
  ];
  server = spawn(LAB, options, { cwd: folder, env, stdio: "ignore" });
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
  });
  page = await browser.newPage({ viewport: { width: 1000, height: 560 } });
  for (let tries = 0; ; tries++) {
    try {
      await page.goto(`http://127.0.0.1:${port}/lab/tree/n.ipynb?reset`);
      break;
    } catch (error) {
      if (tries > 60) throw error;
      await sleep(500);
    }
  }
  await page.waitForSelector(".jp-Notebook .jp-CodeCell .cm-content", { timeout: 60_000 });
});

test.after(async () => {
  await browser?.close();
  server?.kill("SIGTERM");
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
  if (process.env.DITLAB_SCREENSHOT) await writeFile(process.env.DITLAB_SCREENSHOT, await page.screenshot());
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
  const restart = async () => {
    // It ends with the notebook's run, which the page may not outlive.
    page.evaluate(`jupyterapp.commands.execute("debugger:restart-debug")`).catch(() => {});
    await page.locator(".jp-Dialog .jp-mod-accept").click();
    await shows(VARIABLES, /drink:? *'tea'/);
  };
  // On a busy machine JupyterLab may give up its own wait for the kernel, and runs nothing then.
  await restart().catch(restart);
  await shows(LINE, /total \+= price/);
  await page.locator(".jp-DebuggerBugButton").first().click();
  await shows(".jp-CodeCell .jp-OutputArea-output", /18/);
});

test.run();
