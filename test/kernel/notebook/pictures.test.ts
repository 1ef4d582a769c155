/** `ditlab notebook run --png`: pictures beside figures, drawn by a Chromium that is there. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type DataOutput,
  type Notebook,
  readNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { notebookPage } from "../../../kernel/notebook/html.ts";
import { addPictures, findBrowser } from "../../../kernel/notebook/pictures.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build, root } from "../helpers.ts";

build();

const BROWSER = "/usr/bin/chromium";
const drawn = existsSync(BROWSER) ? test : test.skip;
const FIGURE = "application/vnd.plotly.v1+json";

const notebookOf = (...sources: string[]): Notebook => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: sources.map((source, i) => ({
    ...{ cell_type: "code", id: `c${i}`, metadata: {}, source, outputs: [], execution_count: null },
  })),
});

const figuresOf = ({ cells }: Notebook): DataOutput[] =>
  cells.flatMap((cell) =>
    cell.cell_type === "code"
      ? cell.outputs.filter((output): output is DataOutput => "data" in output && FIGURE in output.data)
      : [],
  );

const run = (path: string, env: NodeJS.ProcessEnv = {}) =>
  spawnSync(process.execPath, [join(root, "lib/cli/bin.js"), "notebook", "run", path, "--png", "--html"], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });

drawn(`each figure gets its picture, also a heatmap and one in space (${BROWSER})`, async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  await writeNotebook(
    path,
    notebookOf(
      'display.plot([{ y: [1, 3, 2] }], { title: "Loss", xaxis: "step" })',
      'display.plot([{ type: "heatmap", z: [[1, 2], [3, 4]] }], { width: 300, height: 200 })',
      'display.plot([{ type: "surface", z: [[1, 2], [3, 4]] }])',
    ),
  );
  const { status, stderr } = run(path);
  assert.is(status, 0, stderr);
  const figures = figuresOf(await readNotebook(path));
  assert.is(figures.length, 3);
  const sizes: (number | undefined)[][] = [];
  for (const { data, metadata } of figures) {
    const picture = sharp(Buffer.from(data["image/png"] as string, "base64"));
    const { width, height } = await picture.metadata();
    sizes.push([width, height]);
    const { channels } = await picture.ensureAlpha().stats();
    assert.ok(channels[3].stdev > 5, "something is drawn on it");
    assert.equal(metadata["image/png"], { width: width! / 2, height: height! / 2 });
    assert.ok(String(data["text/html"]).includes(`src="data:image/png;base64,${data["image/png"]}"`));
  }
  assert.equal(sizes, [
    [1600, 900],
    [600, 400],
    [1600, 900],
  ]);

  const page = await readFile(path.replace(".ipynb", ".html"), "utf8");
  const browser = await chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  try {
    for (const javaScriptEnabled of [true, false]) {
      const view = await (await browser.newContext({ javaScriptEnabled })).newPage();
      await view.goto(pathToFileURL(path.replace(".ipynb", ".html")).href);
      const [figure, picture] = [".output .plot-container", ".output img[src^='data:image/png']"];
      await view.waitForSelector(javaScriptEnabled ? figure : picture);
      if (javaScriptEnabled)
        await view.waitForFunction("document.querySelectorAll('.plot-container').length === 3");
      assert.is(
        await view.locator(javaScriptEnabled ? picture : figure).count(),
        0,
        "one or the other is shown",
      );
    }
  } finally {
    await browser.close();
  }
  assert.ok(page.includes("<img"));
});

drawn(
  `a figure that plotly cannot draw is named, and the notebook is as the run left it (${BROWSER})`,
  async () => {
    const bad = { data: [{ type: "scatter", y: [1] }], layout: { width: -5 } };
    const notebook = notebookOf("1");
    const output: DataOutput = { output_type: "display_data", data: { [FIGURE]: bad }, metadata: {} };
    (notebook.cells[0] as { outputs: DataOutput[] }).outputs = [output];
    const message = await addPictures(notebook, findBrowser()).catch((error: Error) => error.message);
    assert.match(String(message), /the picture of figure 1 was not drawn: /);
    assert.not.ok("image/png" in output.data);
    assert.ok(notebookPage(notebook, "n").includes("<html"));
  },
);

test("a browser that does not run is named, and the notebook has what was run", async () => {
  const path = join(await temporaryFolder(), "n.ipynb");
  await writeNotebook(path, notebookOf("display.plot([{ y: [1, 2] }])"));
  const none = join(await temporaryFolder(), "chrome");
  await writeFile(none, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const { status, stderr } = run(path, { CHROME_PATH: none });
  assert.is(status, 1);
  assert.match(stderr, /ditlab: .*chrome ended before it had drawn all figures/);
  assert.is(figuresOf(await readNotebook(path)).length, 1);
});

test.run();
