/** The server of `ditlab watch`, and its page in a browser while a run trains and is killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type WatchServer, watchRuns } from "../../lib/watch/index.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { smallConfig } from "../train/small.ts";

const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
const root = fileURLToPath(new URL("../..", import.meta.url));

/** A response's status and text, with headers that fetch would not send. */
const get = (url: string, options: { host?: string; method?: string } = {}): Promise<[number, string]> =>
  new Promise((resolve, reject) => {
    const { host, method = "GET" } = options;
    const sent = request(url, { method, ...(host && { headers: { host } }) }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => resolve([response.statusCode!, text]));
    });
    sent.on("error", reject).end();
  });

async function served(folder: string, body: (server: WatchServer) => Promise<void>): Promise<void> {
  const server = await watchRuns(folder);
  try {
    await body(server);
  } finally {
    await server.close();
  }
}

test("it serves its page, the runs and their newest samples to this machine, and nothing else", async () => {
  const folder = await temporaryFolder();
  const run = join(folder, "runs", "a&b <c>");
  await mkdir(run, { recursive: true });
  await writeFile(join(run, "config.json"), JSON.stringify(smallConfig()));
  await writeFile(join(run, "samples.png"), "a picture");
  await writeFile(join(folder, "secret.png"), "secret");
  await served(join(folder, "runs"), async ({ url }) => {
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.match((await get(url))[1], /<title>ditlab: runs<\/title>/);
    const [, text] = await get(`${url}runs.json`);
    assert.equal(
      JSON.parse(text).map(({ id }: { id: string }) => id),
      ["a&b <c>"],
    );
    const samples = (id: string): Promise<[number, string]> =>
      get(`${url}samples?${new URLSearchParams({ run: id })}`);
    assert.equal(await samples("a&b <c>"), [200, "a picture"]);
    for (const id of ["", "..", "../secret.png", "/etc", "none"]) assert.is((await samples(id))[0], 404, id);
    assert.is((await get(`${url}../../package.json`))[0], 404);
    assert.equal(await get(url, { host: "evil.example" }), [403, "this page is for this machine alone\n"]);
    assert.is((await get(url, { host: `localhost:${new URL(url).port}` }))[0], 200);
    assert.is((await get(url, { method: "POST" }))[0], 405);
    const { port } = new URL(url);
    await rejects(
      watchRuns(folder, { port: Number(port) }),
      /^port \d+ is taken; --port 0 takes any that is free$/,
    );
  });
  await rejects(watchRuns(join(folder, "none")), /there is no folder .*none to watch/);
});

/** A training in another process, slow enough to be seen. */
function startTraining(folder: string): ChildProcess {
  const config = smallConfig({ steps: 100_000, sampleEvery: 40, checkpointEvery: 20 });
  const script = `
import { train } from "./lib/train/index.ts";
import { smallImages } from "./test/train/small.ts";
await train(${JSON.stringify(config)}, { folder: ${JSON.stringify(folder)}, images: smallImages() });`;
  return spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
    cwd: root,
    stdio: "ignore",
  });
}

/** The page's policy lets nothing be evaluated in it again and again. */
async function until(holds: () => Promise<unknown>): Promise<void> {
  const end = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`waited a minute for ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function inBrowser(): Promise<void> {
  const folder = await temporaryFolder();
  let browser: Browser | undefined;
  const training = startTraining(join(folder, "mine"));
  const state = { jobs: 12, done: 3, failed: 1, begun: 2, work: 30, total: 120 };
  await writeFile(
    join(folder, "queue.json"),
    JSON.stringify({ format: "ditlab-queue/1", id: "a", changed: 0, state }),
  );
  try {
    await served(folder, async ({ url }) => {
      browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      const complaints: string[] = [];
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
      });
      page.on("pageerror", (error) => complaints.push(error.message));
      page.on("request", (sent) => {
        if (!sent.url().startsWith(url) && !/^(data|blob):/.test(sent.url())) complaints.push(sent.url());
      });
      await page.goto(url);
      const row = page.locator("tr[data-run='mine']");
      const stepOf = async (): Promise<number> =>
        Number((await row.locator("td").nth(1).innerText()).replace(/ of [\s\S]*$/, "").replaceAll(",", ""));
      await row.waitFor({ timeout: 60_000 });
      await page.locator("[data-curve='generative'] .main-svg").first().waitFor({ timeout: 60_000 });
      assert.is(
        (await page.locator("#queues li").innerText()).trim(),
        "(this folder): 3 of 12 jobs done, 2 under way, 1 failed",
      );
      const before = await stepOf();
      await until(async () => (await stepOf()) > before);
      assert.is(await row.getAttribute("data-state"), "training");
      await page.locator("#samples img").waitFor({ timeout: 60_000 });
      await until(() => page.evaluate("document.querySelector('#samples img').naturalWidth > 0"));
      // Nor is a plot wider than what it is in, or missing.
      assert.equal(
        await page.evaluate(
          "[...document.querySelectorAll('#curves .plot')].map((plot) => [plot.closest('figure').dataset.curve, plot.querySelector('.main-svg').getBoundingClientRect().right <= plot.closest('figure').getBoundingClientRect().right])",
        ),
        ["generative", "sra", "gradientNorm", "stepSeconds"].map((curve) => [curve, true]),
      );
      await page.locator("#features .main-svg").first().waitFor({ timeout: 60_000 });
      assert.equal(
        await page.evaluate(
          "[...document.querySelectorAll('#features figure')].map((figure) => figure.dataset.curve)",
        ),
        [
          "length of a token, by block (dotted: of the moving average)",
          "similarity to the targets of sra, by block",
          "share of sra in the loss",
        ],
      );
      // Nor is the page wider than a phone.
      await page.setViewportSize({ width: 390, height: 800 });
      await until(() => page.evaluate("document.documentElement.scrollWidth <= innerWidth"));

      training.kill("SIGKILL");
      await new Promise((resolve) => training.once("exit", resolve));
      await page.waitForTimeout(5000);
      const stopped = await stepOf();
      await page.waitForTimeout(3000);
      assert.is(await stepOf(), stopped, "a killed run stays where it is");
      // Not drawn once its box is cleared, also after the next look.
      await row.locator("input").uncheck();
      await until(() => page.evaluate("document.querySelectorAll('#curves figure').length === 0"));
      await rm(join(folder, "mine"), { recursive: true });
      await row.waitFor({ state: "detached", timeout: 20_000 });
      assert.match(await page.locator("#empty").innerText(), /There is no run here yet/);
      assert.equal(complaints, []);
    });
  } finally {
    training.kill("SIGKILL");
    await browser?.close();
  }
}

const name = "a page follows a run that trains, is killed and is removed";
if (existsSync(executablePath)) test(name, inBrowser);
else test.skip(`${name} (Chromium not found)`);

test.run();
