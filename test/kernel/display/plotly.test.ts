/** Figures in Chromium, without a network: whatever the page and the order of the outputs. */
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DISPLAY } from "../../../kernel/display/mime.ts";
import { setSink } from "../../../kernel/display/sink.ts";
import { display } from "../../../kernel/index.ts";

const CHROMIUM = "/usr/bin/chromium";
const maybe = existsSync(CHROMIUM) ? test : test.skip;

/** The HTML of what is shown from now on, with plotly once. */
function listening(): string[] {
  const shown: string[] = [];
  const shipped = new Set<string>();
  setSink({
    notebook: true,
    show: (data) => shown.push(String(data["text/html"])),
    clear() {},
    once: (key) => !shipped.has(key) && shipped.add(key) !== undefined,
  });
  return shown;
}

/** The outputs of two figures, and the one that carries plotly before them. */
async function outputs(): Promise<{ loader: string; figures: string[] }> {
  const shown = listening();
  const line = { x: [0, 1, 2], y: [2, Number.NaN, 1], line: { color: "#ff0000", width: 14 } };
  const bars = {
    type: "bar",
    x: ["<b>&</b>", "</script>"],
    y: Float32Array.of(1, 3),
    marker: { color: "#00aa00" },
  };
  display(display.plot([line, { ...line, y: [0, 1, 2] }], { title: { text: "Lines" }, height: 300 }));
  display(display.plot([bars], { height: 300 }));
  setSink(undefined);
  const [loader, ...figures] = shown;
  return { loader, figures };
}

let browser: Browser;
let page: Page;
const requests: string[] = [];
const errors: string[] = [];

test.before(async () => {
  if (!existsSync(CHROMIUM)) return;
  browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
      ...["--disable-sync", "--no-first-run"],
    ],
  });
});
test.after(() => browser?.close());

test.before.each(async () => {
  if (!browser) return;
  requests.length = 0;
  errors.length = 0;
  page = await browser.newPage({ viewport: { width: 900, height: 760 } });
  await page.route("**/*", (route) => {
    requests.push(route.request().url());
    return route.abort();
  });
  page.on("pageerror", (error) => errors.push(error.message));
});
maybe("a slider of pictures shows the one that it stands at", async () => {
  const shown = listening();
  const dot = (
    await sharp({ create: { width: 4, height: 4, channels: 3, background: "red" } })
      .png()
      .toBuffer()
  ).toString("base64");
  const image = () => display.mime({ "image/png": dot });
  await display(display.frames({ label: "step", values: [0, 10, 20], image })).shown;
  await page.setContent(`<!doctype html><body>${shown.at(-1)}</body>`);
  const visible = "[...document.querySelectorAll('img')].map((one) => one.offsetWidth > 0)";
  assert.equal(await page.evaluate(visible), [true, false, false]);
  await page.locator("input").focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(visible), [false, false, true]);
  assert.is(await page.evaluate("document.querySelector('output').value"), "step = 20");
});

maybe("a slider changes what is drawn, on a page without a kernel, as narrow as a phone", async () => {
  const shown = listening();
  const traces = (slope: number) => [{ x: [0, 1], y: [0, slope], name: `slope ${slope}` }];
  display(
    display.frames(
      { label: "slope", values: [1, 2, 3], traces },
      {
        title: "A title that is far too long for the width of a phone, and so has to be wrapped to be read",
        yaxis: { range: [0, 3] },
      },
    ),
  );
  await page.setViewportSize({ width: 390, height: 800 });
  await page.setContent(
    `<!doctype html><meta name="viewport" content="width=device-width"><body>${shown.join("")}</body>`,
  );
  const lines = "[...document.querySelectorAll('.js-plotly-plot .scatterlayer .trace')].length";
  await page.waitForFunction(`${lines} === 1`);
  assert.is(
    await page.evaluate("document.documentElement.scrollWidth <= 390"),
    true,
    "nothing scrolls sideways",
  );
  const chosen = "document.querySelector('.js-plotly-plot').data.map(({ visible }) => visible)";
  assert.equal(await page.evaluate(chosen), [true, false, false]);
  await page.locator(".slider-rail-touch-rect").click({ position: { x: 250, y: 5 } });
  await page.waitForFunction(`${chosen}[2] === true`);
  assert.equal(await page.evaluate(chosen), [false, false, true]);
});

test.after.each(() => page?.close());

const drawn = (count: number): Promise<unknown> =>
  page.waitForFunction(
    `document.querySelectorAll(".js-plotly-plot .main-svg").length >= ${count}`,
    undefined,
    {
      timeout: 30_000,
    },
  );

/** How many pixels of a figure have about a colour. */
async function pixels(
  index: number,
  isColour: (r: number, g: number, b: number) => boolean,
): Promise<number> {
  const picture = await page.locator(".js-plotly-plot").nth(index).screenshot();
  const { data } = await sharp(picture).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  let count = 0;
  for (let i = 0; i < data.length; i += 3) if (isColour(data[i], data[i + 1], data[i + 2])) count++;
  return count;
}

/** Puts HTML on the page as front ends do: its scripts are made anew, because those of innerHTML do not run. */
const append = (html: string): Promise<void> =>
  page.evaluate(
    `(() => {
      const host = document.createElement("div");
      host.innerHTML = ${JSON.stringify(html).replaceAll("<", "\\u003c")};
      for (const old of host.querySelectorAll("script")) {
        const script = document.createElement("script");
        script.textContent = old.textContent;
        old.replaceWith(script);
      }
      document.body.append(host);
    })()`,
  );

async function checkFigures(): Promise<void> {
  await drawn(2);
  // plotly draws in several frames.
  await page.waitForFunction(`document.querySelectorAll(".js-plotly-plot .bars .point").length === 2`);
  assert.ok(
    (await pixels(0, (r, g, b) => r > 200 && g < 60 && b < 60)) > 1000,
    "the first figure's line is red",
  );
  assert.ok(
    (await pixels(1, (r, g, b) => r < 60 && g > 140 && b < 60)) > 5000,
    "the second's bars are green",
  );
  const gap = "document.querySelector('.js-plotly-plot').data[0].y[1] === null";
  assert.is(await page.evaluate(gap), true);
  assert.equal(requests, []);
  assert.equal(errors, []);
}

maybe("a page of outputs draws its figures and asks the network for nothing", async () => {
  const { loader, figures } = await outputs();
  await page.setContent(`<!doctype html><body>${loader}${figures.join("")}</body>`);
  await checkFigures();
  const width = "document.querySelector('.js-plotly-plot .main-svg').getBoundingClientRect().width";
  const wide = (await page.evaluate(width)) as number;
  await page.setViewportSize({ width: 600, height: 760 });
  await page.waitForFunction(`${width} < ${wide - 200}`);
});

maybe("figures wait for plotly when it comes after them", async () => {
  const { loader, figures } = await outputs();
  await page.setContent(`<!doctype html><body>${figures.join("")}${loader}</body>`);
  await checkFigures();
});

maybe("outputs added one by one draw too, also twice the same, and plotly is evaluated once", async () => {
  const { loader, figures } = await outputs();
  await page.setContent("<!doctype html><body></body>");
  for (const html of [figures[0], loader, figures[1]]) await append(html);
  await checkFigures();
  await page.evaluate("window.__ditlabPlotly.cartesian.plotly.then((plotly) => { window.first = plotly; })");
  await append(loader);
  await append(figures[0]);
  await drawn(3);
  assert.is(
    await page.evaluate("window.__ditlabPlotly.cartesian.plotly.then((plotly) => plotly === window.first)"),
    true,
  );
});

maybe("a script that runs before its output is on the page finds it later", async () => {
  const { loader, figures } = await outputs();
  await page.setContent(`<!doctype html><body>${loader}</body>`);
  await page.evaluate("window.__ditlabPlotly.cartesian.plotly.then(() => 1)");
  const script = figures[0].slice(figures[0].indexOf("<script>"));
  const box = figures[0].slice(0, figures[0].indexOf("<script>"));
  await append(script);
  await page.waitForTimeout(200);
  await append(box);
  await drawn(1);
});

maybe("a page with an AMD loader, as the classic Notebook, keeps it to itself", async () => {
  const { loader, figures } = await outputs();
  const amd =
    "<script>window.defined = 0; window.define = () => { window.defined++; }; window.define.amd = {};</script>";
  await page.setContent(`<!doctype html><body>${amd}${loader}${figures.join("")}</body>`);
  await checkFigures();
  assert.is(await page.evaluate("window.defined"), 0);
});

maybe("without plotly a figure says what to do, and nothing where scripts do not run", async () => {
  const { figures } = await outputs();
  await page.clock.install();
  await page.setContent(`<!doctype html><body>${figures[0]}</body>`);
  assert.match(await page.innerText("body"), /on its way/);
  await page.clock.runFor(11_000);
  assert.match(await page.innerText("body"), /needs plotly\.js.*run the cell of that one again/);
  await page.setContent(`<!doctype html><body>${figures[0].replace(/<script>[\s\S]*<\/script>/, "")}</body>`);
  assert.match(await page.innerText("body"), /once the notebook is trusted/);
});

maybe("figures are legible on light and on dark", async () => {
  const { loader, figures } = await outputs();
  await page.setContent(`<!doctype html><body>${loader}${figures[0]}</body>`);
  await drawn(1);
  for (const background of ["#ffffff", "#111418"]) {
    await page.evaluate(`document.body.style.background = "${background}"`);
    const isGrey = (...rgb: number[]) => rgb.every((value) => Math.abs(value - 128) < 30);
    const grey = await pixels(0, isGrey);
    assert.ok(grey > 100, `${grey} pixels of text on ${background}`);
    if (process.env.DITLAB_SCREENSHOT)
      await writeFile(`${process.env.DITLAB_SCREENSHOT}-${background.slice(1)}.png`, await page.screenshot());
  }
});

test("the loader holds no address to load from", async () => {
  const { loader, figures } = await outputs();
  assert.ok(loader.length > 500_000 && loader.length < 750_000, `${loader.length} characters`);
  assert.is(figures.length, 2);
  assert.not.match(figures.join(""), /https?:/);
  assert.not.match(loader, /src=/);
  assert.type(display.plot([])[DISPLAY], "function");
});

test.run();
