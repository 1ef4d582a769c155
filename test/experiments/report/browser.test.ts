import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { writeReport } from "../../../lib/experiments/report/report.ts";
import { syntheticResults, writeSynthetic } from "./synthetic.ts";

const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
const found = existsSync(executablePath);
const FLAGS =
  "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync --no-first-run";

interface Opened {
  page: Page;
  /** Requests that leave the page, console errors and warnings, and uncaught errors. */
  complaints: string[];
}

let browser: Browser;
let folder: string;
let url: string;
/** Of four arms. */
let urlOfFour: string;

async function open(width: number, colorScheme: "light" | "dark", address = url): Promise<Opened> {
  const page = await browser.newPage({
    viewport: { width, height: 800 },
    colorScheme,
    reducedMotion: "reduce",
  });
  const complaints: string[] = [];
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) complaints.push(`request: ${request.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(address);
  await page.waitForSelector("html.ready", { state: "attached" });
  return { page, complaints };
}

const background = (page: Page) =>
  page.evaluate("document.querySelector('.plot .main-svg').style.backgroundColor") as Promise<string>;

test.before(async () => {
  if (!found) return;
  folder = await mkdtemp(join(tmpdir(), "ditlab-report-"));
  const page = async (name: string, arms: number): Promise<string> => {
    const output = join(folder, name, "report.html");
    await writeReport(await writeSynthetic(join(folder, name), syntheticResults([0, 1, 2], arms)), output);
    return pathToFileURL(output).href;
  };
  [url, urlOfFour] = [await page("two", 2), await page("four", 4)];
  browser = await chromium.launch({ executablePath, args: FLAGS.split(" ") });
});
test.after(async () => {
  if (!found) return;
  await browser.close();
  await rm(folder, { recursive: true });
});

/** A test that needs a browser. */
const inBrowser = (name: string, body: () => Promise<void>): void =>
  found ? test(name, body) : test.skip(`${name} (Chromium not found)`);

inBrowser("report draws every plot without a request or an error", async () => {
  const { page, complaints } = await open(1280, "light");
  const plots = (await page.evaluate(
    "[...document.querySelectorAll('.plot')].map((plot) => [plot.id, plot.querySelectorAll('svg .scatterlayer .js-line').length, plot.getAttribute('role'), plot.ariaLabel.length])",
  )) as [string, number, string, number][];
  assert.is(plots.length, 11);
  for (const [id, lines, role, label] of plots) assert.ok(lines > 0 && role === "img" && label > 40, id);
  const images = (await page.evaluate(
    "[...document.images].map((image) => image.naturalWidth > 0 && image.alt.length > 10 && getComputedStyle(image).imageRendering)",
  )) as (string | false)[];
  assert.equal(images, Array(7).fill("pixelated"));
  assert.equal(complaints, []);
  await page.close();
});

inBrowser("report names both arms' values under the pointer", async () => {
  const { page, complaints } = await open(1280, "light");
  await page.locator("#metric-frechet").hover();
  const label = page.locator("#metric-frechet .hoverlayer .legend");
  await label.waitFor();
  assert.match((await label.textContent()) ?? "", /1,800.*SiT: [\d.]+.*SRA \(2 \u2192 4\): [\d.]+/);
  assert.equal(complaints, []);
  await page.close();
});

for (const arms of ["two", "four"] as const)
  test(`report of ${arms} arms fits a phone`, async () => {
    const { page, complaints } = await open(360, "light", arms === "two" ? url : urlOfFour);
    await page.evaluate(
      "document.querySelectorAll('details').forEach((details) => { details.open = true; })",
    );
    assert.is(await page.evaluate("document.documentElement.scrollWidth"), 360);
    const sticking = await page.evaluate(
      "[...document.querySelectorAll('.card, .plot svg, h1, h2, img, .findings, .findings .pill')].filter((e) => e.getBoundingClientRect().right > 360.5).map((e) => e.outerHTML.slice(0, 80))",
    );
    assert.equal(sticking, []);
    const smallest = await page.evaluate(
      "Math.min(...[...document.querySelectorAll('body *')].filter((e) => e.childNodes.length > 0 && e.closest('script') === null && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== '')).map((e) => parseFloat(getComputedStyle(e).fontSize)))",
    );
    assert.ok((smallest as number) >= 12, `font of ${smallest} px`);
    assert.equal(complaints, []);
    await page.close();
  });

inBrowser("four arms have four colours and markers in a plot", async () => {
  const { page, complaints } = await open(1280, "dark", urlOfFour);
  const strokes = (await page.evaluate(
    "[...new Set([...document.querySelectorAll('#metric-frechet .scatterlayer .js-line')].map((e) => e.style.stroke).filter((color) => color !== ''))]",
  )) as string[];
  for (const color of ["rgb(90, 180, 234)", "rgb(245, 158, 76)", "rgb(63, 208, 162)", "rgb(231, 154, 203)"])
    assert.ok(strokes.includes(color), `${color} of ${strokes}`);
  const bands = (await page.evaluate(
    "[...document.querySelectorAll('#metric-frechet .js-fill')].map((e) => Number(e.style.fillOpacity))",
  )) as number[];
  assert.is(bands.length, 4);
  assert.ok(
    bands.every((opacity) => opacity > 0.1 && opacity < 0.3),
    String(bands),
  );
  assert.equal(complaints, []);
  await page.close();
});

inBrowser("report follows a change to the dark theme, plots too", async () => {
  const { page, complaints } = await open(800, "light");
  assert.is(await background(page), "rgb(255, 255, 255)");
  await page.emulateMedia({ colorScheme: "dark" });
  await page.waitForSelector('.plot .main-svg[style*="rgb(26, 29, 35)"]', { state: "attached" });
  await page.evaluate("dispatchEvent(new Event('beforeprint'))");
  assert.is(await background(page), "rgb(255, 255, 255)");
  await page.evaluate("dispatchEvent(new Event('afterprint'))");
  assert.is(await background(page), "rgb(26, 29, 35)");
  assert.equal(complaints, []);
  await page.close();
});

inBrowser("report without JavaScript shows the numbers as tables", async () => {
  const page = await browser.newPage({ javaScriptEnabled: false });
  await page.goto(url);
  assert.is(await page.getByText("The plot needs JavaScript").count(), 11);
  assert.is(await page.locator("details table").count(), 11);
  await page.close();
});

test.run();
