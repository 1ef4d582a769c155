/** The kernel in Jupyter's classic Notebook (Debian's jupyter-notebook), in headless Chromium. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Notebook, writeNotebook } from "../../kernel/notebook/format.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build, kernelspecs } from "./helpers.ts";

const CHROMIUM = "/usr/bin/chromium";
const JUPYTER = "/usr/bin/jupyter";
const available =
  existsSync(CHROMIUM) && existsSync(JUPYTER) && spawnSync(JUPYTER, ["notebook", "--version"]).status === 0;
const maybe = available ? test : test.skip;

const CELLS = [
  `let n = 0; const greet = (name: string): string => "hello " + name; greet("browser")`,
  "for (const i of progress(Array.from({ length: 10 }, (_, k) => k))) n += i; console.log('sum', n)",
  "display.plot([{ x: [0, 1, 2, 3], y: [3, 1, 4, 1], line: { color: '#ff0000', width: 12 } }], { height: 300 })",
  "display.plot([{ type: 'bar', x: ['a', 'b'], y: [1, 2], marker: { color: '#00aa00' } }], { height: 300 })",
  "[{ name: 'row', value: 1.5 }]",
];

let server: ChildProcess | undefined;
let browser: Browser;
let page: Page;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

/** Evaluates in the page, where the Notebook keeps itself in `Jupyter`. */
const inPage = <T>(code: string): Promise<T> => page.evaluate(code) as Promise<T>;
const idle = () =>
  page.waitForFunction("!Jupyter.notebook.kernel_busy && !document.querySelector('.code_cell.running')");
const texts = (i: number): Promise<string> =>
  inPage(`Jupyter.notebook.get_cell(${i}).output_area.element.text()`);

test.before(async () => {
  if (!available) return;
  build();
  const folder = await temporaryFolder();
  const notebook: Notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: { name: "ditlab-test", display_name: "TypeScript (test)", language: "typescript" },
    },
    cells: CELLS.map((source, i) => {
      return { cell_type: "code", id: `c${i}`, metadata: {}, source, outputs: [], execution_count: null };
    }),
  };
  await writeNotebook(join(folder, "n.ipynb"), notebook);
  const port = await freePort();
  const env = { ...process.env, JUPYTER_PATH: await kernelspecs(), HOME: folder, JUPYTER_CONFIG_DIR: folder };
  const options = [
    "--no-browser",
    "--allow-root",
    `--port=${port}`,
    "--NotebookApp.token=",
    "--ip=127.0.0.1",
  ];
  server = spawn(JUPYTER, ["notebook", ...options], { cwd: folder, env, stdio: "ignore" });
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
      ...["--disable-sync", "--no-first-run"],
    ],
  });
  page = await browser.newPage({ viewport: { width: 1000, height: 1400 } });
  const url = `http://127.0.0.1:${port}/notebooks/n.ipynb`;
  for (let tries = 0; ; tries++) {
    try {
      await page.goto(url);
      break;
    } catch (error) {
      if (tries > 60) throw error;
      await sleep(500);
    }
  }
  await page.waitForFunction("window.Jupyter?.notebook?.kernel?.is_connected()", undefined, {
    timeout: 60_000,
  });
});

test.after(async () => {
  await browser?.close();
  server?.kill("SIGINT");
  server?.kill("SIGTERM");
});

maybe("run all gives every cell its output", async () => {
  await inPage("Jupyter.notebook.execute_all_cells()");
  await page.waitForFunction(
    `Jupyter.notebook.get_cells().slice(0, ${CELLS.length}).every((cell) => cell.input_prompt_number > 0)`,
    undefined,
    { timeout: 60_000 },
  );
  await idle();
  assert.match(await texts(0), /'hello browser'/);
  assert.match(await texts(1), /10 \/ 10 it \(100 %\).*sum 45/s);
  assert.match(await texts(4), /row\s*1\.5/);
});

maybe("plotly figures are drawn, by one copy of plotly", async () => {
  await page.waitForFunction(
    "document.querySelectorAll('.js-plotly-plot .main-svg').length >= 2",
    undefined,
    {
      timeout: 30_000,
    },
  );
  const carried = await inPage<number>(
    "Jupyter.notebook.get_cells().filter((cell) => JSON.stringify(cell.toJSON()).length > 5e5).length",
  );
  assert.is(carried, 1);
  const figure = page.locator(".js-plotly-plot").first();
  const picture = await figure.screenshot();
  const { data } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  let red = 0;
  for (let i = 0; i < data.length; i += 3) if (data[i] > 200 && data[i + 1] < 60 && data[i + 2] < 60) red++;
  assert.ok(red > 1000, `${red} red pixels of a thick red line`);
  if (process.env.DITLAB_SCREENSHOT) {
    await inPage("document.querySelector('#site').scrollTop = 0");
    await writeFile(process.env.DITLAB_SCREENSHOT, await page.screenshot());
  }
});

maybe("Tab completes what earlier cells declared", async () => {
  await inPage(`(() => {
    const cell = Jupyter.notebook.insert_cell_at_bottom("code");
    cell.set_text("gre");
    Jupyter.notebook.select(Jupyter.notebook.ncells() - 1);
    cell.focus_editor();
    cell.code_mirror.setCursor({ line: 0, ch: 3 });
  })()`);
  await page.keyboard.press("Tab");
  await page.waitForFunction(
    "Jupyter.notebook.get_selected_cell().get_text() === 'greet' || document.querySelector('#complete')",
  );
  if (await page.locator("#complete").count()) await page.keyboard.press("Enter");
  await page.waitForFunction("Jupyter.notebook.get_selected_cell().get_text() === 'greet'");
});

maybe("the stop button stops, and the next cell runs", async () => {
  await inPage(`(() => {
    const cell = Jupyter.notebook.insert_cell_at_bottom("code");
    cell.set_text("await null; while (true) n++");
    cell.execute();
  })()`);
  await page.waitForFunction("Jupyter.notebook.kernel_busy");
  await sleep(300);
  await inPage("Jupyter.notebook.kernel.interrupt()");
  await idle();
  const last = await inPage<number>("Jupyter.notebook.ncells()");
  assert.match(await texts(last - 1), /KeyboardInterrupt/);
  await inPage(
    "(() => { const cell = Jupyter.notebook.get_cell(0); cell.set_text('n > 45'); cell.execute(); })()",
  );
  await page.waitForFunction("/true/.test(Jupyter.notebook.get_cell(0).output_area.element.text())");
});

maybe("restart gives a fresh kernel", async () => {
  // The page learns that a kernel is idle from its broadcasts, and misses those sent while it connects anew:
  // so nothing may run at the restart, and what says that the new kernel is ready is its own reply.
  await idle();
  await inPage(`new Promise((done) => {
    Jupyter.notebook.events.one("kernel_ready.Kernel", () => done());
    Jupyter.notebook.kernel.restart();
  })`);
  await inPage(
    "(() => { const cell = Jupyter.notebook.get_cell(0); cell.set_text('typeof n'); cell.execute(); })()",
  );
  await page.waitForFunction(
    "/Cannot find name 'n'|undefined/.test(Jupyter.notebook.get_cell(0).output_area.element.text())",
  );
});

test.run();
