/** Widgets in JupyterLab with ipywidgets' front end: both sides change values, also after the page was loaded again. */
import { readFile, writeFile } from "node:fs/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { readNotebook } from "../../kernel/notebook/format.ts";
import { notebookPage } from "../../kernel/notebook/html.ts";
import { type Lab, labAvailable, openInLab } from "./lab.ts";

const COUNTER = `export default {
  render({ model, el }) {
    const button = document.createElement("button");
    button.className = "counter";
    const show = () => { button.textContent = "count " + model.get("count"); };
    button.addEventListener("click", () => { model.set("count", model.get("count") + 1); model.save_changes(); });
    model.on("change:count", show);
    show();
    el.append(button);
  },
};`;

const CELLS = [
  `const rate = ui.slider({ label: "noise", min: 0, max: 1, value: 0.5 });
const method = ui.dropdown({ label: "method", options: ["sra", "repa"] });
ui.row(rate, method)`,
  `const go = ui.button({ label: "Go", kind: "primary" });
let clicks = 0;
go.on("click", () => console.log("click", ++clicks, "at", rate.value, method.value));
go`,
  `const counter = widget({ module: ${JSON.stringify(COUNTER)}, state: { count: 1 }, css: ".counter { color: rgb(1, 2, 3) }" });
counter.on("change:count", (n) => { if (n === 3) counter.set("count", 30); });
counter`,
  `ui.interact({ n: ui.slider({ label: "n", min: 1, max: 9, value: 3 }) }, ({ n }) => display.html(\`<b class="square">\${n * n}</b>\`))`,
  "const all = ui.column(ui.text({ label: 'name', value: 'Ada' }), ui.checkbox({ label: 'on', value: true }), ui.progress({ label: 'done', value: 40 })); all",
  "[rate.value, method.value, counter.get('count')]",
];

let lab: Lab;
const maybe = labAvailable ? test : test.skip;

/** The text of a cell's outputs. */
const output = (i: number): Promise<string> =>
  lab.page.locator(".jp-CodeCell").nth(i).locator(".jp-Cell-outputArea").innerText();
const cell = (i: number) => lab.page.locator(".jp-CodeCell").nth(i);

/** Waits until `read` gives what is expected. */
async function eventually(read: () => Promise<string>, expected: RegExp): Promise<void> {
  const end = Date.now() + 20_000;
  for (let text = ""; ; ) {
    text = await read().catch((error: Error) => error.message);
    if (expected.test(text)) return;
    if (Date.now() > end) assert.match(text, expected);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Runs the last cell, which says what the kernel knows. */
async function kernelKnows(expected: RegExp): Promise<void> {
  await cell(CELLS.length - 1)
    .locator(".cm-content")
    .click();
  await lab.command("notebook:run-cell");
  await eventually(() => output(CELLS.length - 1), expected);
}

async function screenshot(name: string): Promise<void> {
  const folder = process.env.DITLAB_SCREENSHOTS;
  if (folder) await writeFile(`${folder}/${name}.png`, await lab.page.screenshot());
}

test.before(async () => {
  if (!labAvailable) return;
  lab = await openInLab(CELLS);
  await lab.command("notebook:run-all-cells");
});
test.after(() => lab?.close());

maybe("a slider moves a value in the kernel", async () => {
  const handle = cell(0).locator(".noUi-handle");
  await handle.focus();
  await handle.press("ArrowRight");
  await handle.press("ArrowRight");
  await eventually(() => cell(0).locator(".widget-readout").innerText(), /0\.52/);
  await cell(0).locator("select").selectOption("repa");
  await kernelKnows(/\[ 0\.52, 'repa', 1 \]/);
});

maybe("a button runs its handler, whose output stands below it", async () => {
  await cell(1).locator("button.jupyter-button").click();
  await eventually(() => output(1), /click 1 at 0\.52 repa/);
});

maybe("a module of one's own counts on both sides", async () => {
  const counter = cell(2).locator(".counter");
  await counter.click();
  await eventually(() => counter.innerText(), /^count 2$/);
  const colour = await lab.page.evaluate("getComputedStyle(document.querySelector('.counter')).color");
  assert.is(colour, "rgb(1, 2, 3)");
  await counter.click();
  await eventually(() => counter.innerText(), /^count 30$/);
  await kernelKnows(/'repa', 30 \]/);
});

maybe("interact draws again", async () => {
  await eventually(() => cell(3).locator(".square").innerText(), /^9$/);
  const handle = cell(3).locator(".noUi-handle");
  await handle.focus();
  await handle.press("ArrowRight");
  await eventually(() => cell(3).locator(".square").innerText(), /^16$/);
  await screenshot("before");
});

maybe("a page that is loaded again has live widgets, and what their handlers have printed", async () => {
  await lab.command("docmanager:save");
  await lab.reload();
  await eventually(() => cell(0).locator(".widget-readout").first().innerText(), /0\.52/);
  await eventually(() => output(1), /click 1 at 0\.52 repa/);
  await eventually(() => cell(2).locator(".counter").innerText(), /^count 30$/);
  await eventually(() => cell(3).locator(".square").innerText(), /^16$/);
  const handle = cell(0).locator(".noUi-handle");
  await handle.focus();
  await handle.press("ArrowRight");
  await cell(1).locator("button.jupyter-button").click();
  await eventually(() => output(1), /click 1 at 0\.52 repa\s+click 2 at 0\.53 repa/);
  await cell(2).locator(".counter").click();
  await kernelKnows(/\[ 0\.53, 'repa', 31 \]/);
  await screenshot("after");
});

maybe(
  "a cell that loops over a control goes on hearing it, also after the page was loaded again",
  async () => {
    const last = CELLS.length - 1;
    await lab.page.evaluate(`jupyterapp.shell.currentWidget.content.widgets[${last}].model.sharedModel.setSource(
    "for await (const value of rate) console.log('now', value)")`);
    await cell(last).locator(".cm-content").click();
    // The command ends with the cell.
    void lab.command("notebook:run-cell").catch(() => {});
    await eventually(() => output(last), /now 0\.53/);
    await lab.command("docmanager:save");
    await lab.reload();
    await eventually(() => cell(0).locator(".widget-readout").first().innerText(), /0\.53/);
    const handle = cell(0).locator(".noUi-handle");
    await handle.focus();
    await handle.press("ArrowRight");
    await eventually(() => cell(0).locator(".widget-readout").first().innerText(), /0\.54/);
    await lab.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()");
    await lab.page.evaluate(`jupyterapp.shell.currentWidget.content.widgets[${last}].model.sharedModel.setSource(
    "rate.value")`);
    await kernelKnows(/^\[\d+\]:\s+0\.54\s*$/);
  },
);

maybe(
  "JupyterLab saves the widgets where that is switched on, and the notebook's page shows them",
  async () => {
    await lab.command("@jupyter-widgets/jupyterlab-manager:saveWidgetState");
    await eventually(async () => {
      await lab.command("docmanager:save");
      return readFile(lab.file, "utf8");
    }, /widget-state\+json/);
    const page = notebookPage(await readNotebook(lab.file), "n");
    assert.match(page, /<span>noise<\/span><input[^>]* value="540" [^>]*disabled><span>0\.54<\/span>/);
    assert.match(page, /click 2 at 0\.53 repa/);
  },
);

test.run();
