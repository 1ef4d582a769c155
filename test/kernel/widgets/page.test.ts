/** Widgets in documents and pages: a headless run keeps their state, and a page shows it without a kernel or a network. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Notebook, readNotebook, writeNotebook } from "../../../kernel/notebook/format.ts";
import { notebookPage, writeNotebookPage } from "../../../kernel/notebook/html.ts";
import { runNotebook } from "../../../kernel/notebook/run.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build } from "../helpers.ts";
import { CHROMIUM, codeNotebook, launchChromium } from "../lab.ts";

const MODULE = `export default () => ({
  initialize({ model }) { model.set("ready", "yes"); },
  render({ model, el }) {
    const button = document.createElement("button");
    const samples = new Float32Array(model.get("samples").buffer);
    const show = () => { button.textContent = ["count", model.get("count"), model.get("ready"), samples[1], "</script>"].join(" "); };
    button.onclick = () => { model.set("count", model.get("count") + 1); model.save_changes(); };
    model.on("change:count", show);
    show();
    el.append(button);
  },
})`;
const CELLS = [
  `const rate = ui.slider({ label: "noise <b>", value: 0.5 }); const name = ui.text({ label: "name", value: "<Ada>" });
ui.row(rate, name, ui.dropdown({ label: "method", options: ["sra", "repa"], value: "repa" }))`,
  `const counter = widget({ module: ${JSON.stringify(MODULE)}, css: "button { color: rgb(1, 2, 3) }",
  state: { count: 1, ready: "no", samples: new Float32Array([1, 2.5]) } });
counter`,
  `ui.interact({ n: ui.slider({ label: "n", max: 9, value: 3 }) }, ({ n }) => display.html(\`<i class="square">\${n * n}</i>\`))`,
  "const gone = ui.slider({ label: 'gone' }); gone.close(); rate.value = 0.25; counter.set('count', 7); 0",
];

type States = Record<string, { model_name: string; state: Record<string, unknown>; buffers?: unknown[] }>;
const statesOf = ({ metadata }: Notebook): States => {
  const { widgets } = metadata as { widgets: Record<string, { version_major: number; state: States }> };
  return widgets["application/vnd.jupyter.widget-state+json"].state;
};

let folder: string;
let notebook: Notebook;
let browser: Browser | undefined;

test.before(async () => {
  build();
  folder = await temporaryFolder();
  const file = join(folder, "n.ipynb");
  await writeNotebook(file, codeNotebook(CELLS));
  const { failed } = await runNotebook(file);
  assert.is(failed, undefined);
  notebook = await readNotebook(file);
});
test.after(() => browser?.close());

test("a run keeps the models as they were at its end, and no closed ones", () => {
  const models = Object.values(statesOf(notebook));
  const slider = models.find(({ state }) => state.description === "noise <b>")!;
  assert.equal([slider.model_name, slider.state.value], ["FloatSliderModel", 0.25]);
  const custom = models.find(({ model_name }) => model_name === "AnyModel")!;
  assert.is(custom.state.count, 7);
  assert.equal(custom.buffers, [
    {
      encoding: "base64",
      path: ["samples"],
      data: Buffer.from(new Float32Array([1, 2.5]).buffer).toString("base64"),
    },
  ]);
  assert.not.ok(models.some(({ state }) => state.description === "gone"));
  const views = notebook.cells.flatMap((cell) => (cell.cell_type === "code" ? cell.outputs : []));
  for (const output of views.slice(0, 3)) {
    assert.is(output.output_type, "execute_result");
    const { model_id } = (output as { data: Record<string, { model_id: string }> }).data[
      "application/vnd.jupyter.widget-view+json"
    ];
    assert.ok(statesOf(notebook)[model_id]);
  }
});

test("another run replaces what an earlier one has kept", async () => {
  const file = join(folder, "again.ipynb");
  await writeNotebook(file, { ...codeNotebook(["1"]), metadata: { ...notebook.metadata } });
  const { notebook: again } = await runNotebook(file);
  assert.is(again.metadata.widgets, undefined);
});

test("without the models a page shows what the outputs say", () => {
  const { widgets: _, ...metadata } = notebook.metadata;
  const page = notebookPage({ ...notebook, metadata }, "n");
  assert.match(page, /noise &#60;b&#62;[\s\S]*0\.5</);
  assert.match(page, /<i class="square">9<\/i>/);
  assert.match(page, /count: 1/);
});

test("a document's broken models do no harm to its page", () => {
  for (const state of [
    null,
    5,
    { a: null },
    { a: { state: { children: ["IPY_MODEL_a"], _model_name: "VBoxModel" } } },
  ]) {
    const widgets = {
      "application/vnd.jupyter.widget-state+json": { version_major: 2, version_minor: 0, state },
    };
    const output = {
      "application/vnd.jupyter.widget-view+json": { model_id: "a" },
      "text/plain": "fallback",
    };
    const cells = codeNotebook(["1"]).cells.map((cell) => ({
      ...cell,
      outputs: [{ output_type: "display_data" as const, data: output, metadata: {} }],
    }));
    const page = notebookPage({ ...notebook, cells: cells as Notebook["cells"], metadata: { widgets } }, "n");
    assert.match(page, /<main>/);
  }
});

(existsSync(CHROMIUM) ? test : test.skip)("in a browser the page has them, and modules run", async () => {
  const path = join(folder, "n.html");
  await writeNotebookPage(path, notebook, "n");
  browser = await launchChromium();
  const page: Page = await browser.newPage();
  const asked: string[] = [];
  const errors: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`file://${path}`);
  const button = page.locator("button");
  await button.waitFor();
  assert.is(await button.innerText(), "count 7 yes 2.5 </script>");
  await button.click();
  assert.is(await button.innerText(), "count 8 yes 2.5 </script>");
  assert.is(await page.evaluate("getComputedStyle(document.querySelector('button')).color"), "rgb(1, 2, 3)");
  const slider = page.locator("input[type=range]").first();
  assert.is(await slider.inputValue(), "250");
  assert.ok(await slider.isDisabled());
  assert.is(await page.locator("input[type=text]").inputValue(), "<Ada>");
  assert.is(await page.locator("select").inputValue(), "repa");
  assert.is(await page.locator(".square").innerText(), "9");
  assert.match(await page.locator("main").innerText(), /noise <b>/);
  assert.equal(errors, []);
  assert.equal(
    asked.filter((url) => !/^(file|blob|data):/.test(url)),
    [],
  );
  if (process.env.DITLAB_SCREENSHOTS)
    await writeFile(join(process.env.DITLAB_SCREENSHOTS, "page.png"), await page.screenshot());
});

test.run();
