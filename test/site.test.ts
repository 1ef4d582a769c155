/** The documentation's site: built once, then its links, and its pages in a browser that may reach nothing else. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { temporaryFolder } from "./io/helpers.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const executablePath = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";
const run = promisify(execFile);

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
};

let site = "";
/** The pages' paths, `guide/index.html` and the like. */
let pages: string[] = [];
let server: Server;
let address = "";
let browser: Browser | undefined;

test.before(async () => {
  site = join(await temporaryFolder(), "site");
  const build = ["--import", import.meta.resolve("tsx"), join(root, "docs/.vitepress/build.ts"), site];
  await run(process.execPath, build, { cwd: root, maxBuffer: 1e8 });
  pages = (await readdir(site, { recursive: true }))
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".html"))
    .sort();
  server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname);
    const file = join(site, path.endsWith("/") ? `${path}index.html` : path);
    const body = await readFile(existsSync(file) ? file : `${file}.html`).catch(() => undefined);
    response.writeHead(body ? 200 : 404, { "content-type": TYPES[extname(file)] ?? "text/html" });
    response.end(body);
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

test.after(async () => {
  await browser?.close();
  server?.close();
});

const attributes = (html: string, name: string): string[] =>
  [...html.matchAll(new RegExp(`\\s${name}="([^"]*)"`, "g"))].map(([, value]) =>
    value.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'"),
  );

test("every link leads to a page and every anchor to a place in it", async () => {
  const texts = new Map<string, string>();
  for (const page of pages) texts.set(page, await readFile(join(site, page), "utf8"));
  const places = new Map([...texts].map(([page, html]) => [page, new Set(attributes(html, "id"))]));
  const broken: string[] = [];
  let links = 0;
  for (const [page, html] of texts) {
    for (const link of [...attributes(html, "href"), ...attributes(html, "src")]) {
      if (/^(https?:|data:|mailto:)/.test(link) || link === "") continue;
      links += 1;
      const [path, anchor] = link.split("#").map(decodeURIComponent);
      const target = path === "" ? page : posix.join(path.startsWith("/") ? "." : posix.dirname(page), path);
      const file = target.endsWith("/") || target === "." ? posix.join(target, "index.html") : target;
      const found = [file, `${file}.html`].find((name) => existsSync(join(site, name)));
      const hasPlace = !anchor || !found?.endsWith(".html") || places.get(found)?.has(anchor);
      if (!found || !hasPlace) broken.push(`${page}: ${link}`);
    }
  }
  assert.equal([...new Set(broken)], []);
  assert.ok(links > 1000, String(links));
});

test("pages of all kinds are there, and say what they are made of", async () => {
  const textOf = async (page: string): Promise<string> => readFile(join(site, page), "utf8");
  for (const page of ["index", "start", "guide/samplers", "api", "changelog", "kernel", "notebooks/index"])
    assert.ok(pages.includes(`${page}.html`), page);
  const notebooks = (await readdir(join(root, "notebooks"))).filter((name) => name.endsWith(".ipynb"));
  for (const name of notebooks)
    assert.ok(pages.includes(`notebooks/${name.replace(/ipynb$/, "html")}`), name);
  const reference = await textOf("reference/samplers.html");
  assert.match(reference, /defineSampler/);
  const table = await textOf("results/tiny-fashion-mnist/table1.html");
  assert.match(table, /33\.02/);
  assert.match(table, /43\.45 ± 2\.57/);
  assert.match(await textOf("concepts/sra.html"), /class="katex/);
  assert.match(await textOf("concepts/sra.html"), /<svg[^>]*aria-label="The student/);
  // A link to a file that is no page keeps its text, and no other host serves any part of a page.
  for (const page of pages)
    assert.equal(
      attributes((await textOf(page)).replace(/<a [^>]*>/g, ""), "(?:href|src)").filter((link) =>
        /^(https?:)?\/\//.test(link),
      ),
      [],
      page,
    );
});

/** A page that notes what it should not do. */
async function opened(width: number): Promise<{ page: Page; complaints: string[] }> {
  browser ??= await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage({ viewport: { width, height: 844 } });
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on("request", (sent) => {
    if (!sent.url().startsWith(address) && !/^(data|blob):/.test(sent.url())) complaints.push(sent.url());
  });
  return { page, complaints };
}

async function onPhone(): Promise<void> {
  const { page, complaints } = await opened(390);
  const wide: string[] = [];
  for (const name of pages.filter((name) => name !== "404.html")) {
    await page.goto(address + name);
    await page.locator("html").and(page.locator("[lang]")).waitFor();
    const width = await page.evaluate("document.documentElement.scrollWidth");
    if (Number(width) > 390) wide.push(`${name}: ${width}`);
  }
  assert.equal(wide, []);
  assert.equal(complaints, []);
  await page.close();
}

async function searchAndDark(): Promise<void> {
  const { page, complaints } = await opened(1280);
  await page.goto(`${address}start.html`);
  const isDark = (): Promise<unknown> => page.evaluate("document.documentElement.classList.contains('dark')");
  const before = await isDark();
  await page.locator(".VPNavBarAppearance .VPSwitchAppearance").click();
  assert.is.not(await isDark(), before);
  // The text of notebooks is found, and the API.
  for (const [words, where] of [
    ["how openly a feature shows the class", "/notebooks/"],
    ["defineSampler", "/guide/samplers"],
  ]) {
    await page.locator(".VPNavBarSearch button").first().click();
    await page.locator("#localsearch-input").fill(words);
    await page.locator(`.VPLocalSearchBox a.result[href*="${where}"]`).first().waitFor();
    await page.keyboard.press("Escape");
  }
  assert.equal(complaints, []);
  await page.close();
}

async function figures(): Promise<void> {
  const { page, complaints } = await opened(1280);
  const candidates = pages.filter((name) => /^(notebooks|results)\/.+/.test(name));
  let drawn = 0;
  for (const name of candidates) {
    await page.goto(address + name);
    const all = await page.locator(".plotly-figure").all();
    for (const figure of all) {
      await figure.scrollIntoViewIfNeeded();
      await figure.and(page.locator("[data-state='drawn']")).waitFor({ timeout: 60_000 });
      await figure.locator(".main-svg").first().waitFor();
      drawn += 1;
    }
  }
  assert.ok(drawn > 10, String(drawn));
  assert.equal(complaints, []);
  await page.close();
}

for (const [name, body] of [
  ["no page scrolls sideways on a phone, complains or asks another host for anything", onPhone],
  ["search finds notebooks and the guide, and the page turns dark", searchAndDark],
  ["figures of notebooks and results are drawn", figures],
] as const) {
  if (existsSync(executablePath)) test(name, body);
  else test.skip(`${name} (Chromium not found)`);
}

test.run();
