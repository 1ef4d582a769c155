/** What the site makes of notebooks and of links, without building it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { siteLink } from "../docs/.vitepress/site/links.ts";
import { sitePages } from "../docs/.vitepress/site/map.ts";
import { notebookMarkdown, titleOf } from "../docs/.vitepress/site/notebook.ts";
import { githubSlug } from "../docs/.vitepress/site/slug.ts";
import { DISPLAY } from "../kernel/display/mime.ts";
import { display } from "../kernel/index.ts";
import type { Cell, Notebook, Output } from "../kernel/notebook/format.ts";

const text = (source: string, metadata = {}): Cell => ({ cell_type: "markdown", id: "a", metadata, source });
const code = (source: string, outputs: Output[] = [], metadata = {}): Cell => ({
  ...{ cell_type: "code", id: "b", execution_count: 1 },
  ...{ metadata, source, outputs },
});
const shown = (data: Record<string, unknown>): Output => ({
  ...{ output_type: "display_data", metadata: {} },
  data,
});

function page(...cells: Cell[]): { markdown: string; files: [string, string][] } {
  const files: [string, string][] = [];
  const notebook: Notebook = { nbformat: 4, nbformat_minor: 5, metadata: {}, cells };
  const markdown = notebookMarkdown(notebook, "name", {
    add(ending, bytes) {
      files.push([ending, Buffer.from(bytes).toString()]);
      return `file-${files.length}.${ending}`;
    },
  });
  return { markdown, files };
}

test("text stays text, code is a fence, and a notebook without a heading has its name", () => {
  assert.is(
    page(text("# Title\n\nHello"), code("let a = 1;")).markdown,
    "# Title\n\nHello\n\n```ts\nlet a = 1;\n```\n",
  );
  assert.match(page(text("Hello")).markdown, /^# name\n/);
  // A fence is longer than what the code has.
  assert.match(page(code("const md = '```';")).markdown, /^````ts\n/m);
  const notebook: Notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [text("# The `jit` of $x$")],
  };
  assert.is(titleOf(notebook, "name"), "The jit of x");
});

test("code that Jupyter hides is folded, and what it shows is not", () => {
  const { markdown } = page(
    code("plot();", [{ output_type: "stream", name: "stdout", text: "shown" }], {
      jupyter: { source_hidden: true },
    }),
  );
  assert.match(
    markdown,
    /:::: details Show the code\n\n```ts\nplot\(\);\n```\n\n::::\n\n<pre[^>]*>shown<\/pre>/,
  );
});

test("a slider over pictures stays one, its pictures files beside the page", async () => {
  const image = (t: number) => display.mime({ "image/png": Buffer.from(`p${t}`).toString("base64") });
  const shownBy = display.frames({ label: "t", values: [0, 1], image }, { title: "Two" });
  const { markdown, files } = page(
    code("frames();", [shown((await shownBy[DISPLAY]()) as Record<string, unknown>)]),
  );
  assert.match(markdown, /<input type="range"/);
  assert.match(markdown, /<img alt="t = 0" src="file-1.png"/);
  assert.match(markdown, /<img alt="t = 1" src="file-2.png"/);
  assert.equal(files, [
    ["png", "p0"],
    ["png", "p1"],
  ]);
});

test("cells tagged solution are folded, neighbours together", () => {
  const tagged = { tags: ["solution"] };
  const { markdown } = page(text("Task"), text("Idea", tagged), code("answer();", [], tagged), text("Next"));
  assert.match(
    markdown,
    /Task\n\n::::: details Show the solution\n\nIdea\n\n```ts\nanswer\(\);\n```\n\n:::::\n\nNext/,
  );
});

test("a figure becomes a component with its data in a file; a picture a file", () => {
  const figure = { data: [{ y: [1, 2] }], layout: { title: { text: 'A <b>"title"</b>' }, height: 320 } };
  const { markdown, files } = page(
    code("plot", [shown({ "application/vnd.plotly.v1+json": figure, "text/html": "<div>no</div>" })]),
    code("image", [shown({ "image/png": "cG5n" })]),
  );
  assert.match(markdown, /<PlotlyFigure src="file-1.json" caption="A &#34;title&#34; ?" :height="320" \/>/);
  assert.match(markdown, /<img class="nb-picture" [^>]*src="file-2.png">/);
  assert.not.match(markdown, /<div>no/);
  assert.equal(files, [
    ["json", JSON.stringify({ data: figure.data, layout: { height: 320 } })],
    ["png", "png"],
  ]);
});

test("HTML that runs something, or is broken, does not reach the page", () => {
  const html = (value: string): string =>
    page(code("x", [shown({ "text/html": value, "text/plain": "plain" })])).markdown;
  assert.match(
    html("<table>\n\n<tr><td>1</td></tr></table>"),
    /<div v-pre[^>]*><table>\n<tr><td>1<\/td><\/tr><\/table><\/div>/,
  );
  assert.not.match(html("<script>alert(1)</script>"), /script|nb-output/);
  assert.match(html("<p>a<script>alert(1)</script></p>"), /<p>a<\/p>/);
  assert.match(html('<p>a<img alt="n" src="http://example.org/x.png"></p>'), /<p>a<img alt="n"><\/p>/);
  assert.match(html("<table><tr>"), /<pre v-pre class="nb-output nb-text">plain<\/pre>/);
});

test("terminal output is escaped, and overwritten as a terminal does", () => {
  const stream: Output = { output_type: "stream", name: "stdout", text: "10 %\r100 %\n{{ a }} <b>\n" };
  assert.match(
    page(code("x", [stream])).markdown,
    /<pre v-pre class="nb-output nb-stdout">100 %\n\{\{ a \}\} &lt;b&gt;<\/pre>/,
  );
});

test("TeX that Jupyter takes without dollars gets them, and code keeps its text", () => {
  const { markdown } = page(text("\\begin{align}\na\n\\end{align}\n\n`\\begin{align}` and\n\n$$ b $$"));
  assert.match(markdown, /(?<!\$)\$\$\n\\begin\{align\}\na\n\\end\{align\}\n\$\$/);
  assert.is(page(text("# A\n\nso $$x_i$$ is")).markdown, "# A\n\nso $\\displaystyle x_i$ is\n");
  assert.match(markdown, /`\\begin\{align\}` and\n\n\n?\$\$\nb\n\$\$/);
});

test("links of the repository are links of the site, or none, or an error", () => {
  const pages = sitePages();
  const link = (href: string, source = "docs/guide/jit.md") => siteLink(href, source, pages);
  assert.is(link("../jit.md#memory"), "/jit.md#memory");
  assert.is(link("../../CHANGELOG.md"), "/changelog.md");
  assert.is(link("../results", "docs/guide/jit.md"), "/results/index.md");
  assert.is(
    link("results/tiny-fashion-mnist/table1.md", "docs/paper.md"),
    "/results/tiny-fashion-mnist/table1.md",
  );
  assert.is(link("https://arxiv.org"), "https://arxiv.org");
  assert.is(link("#here"), "#here");
  assert.is(link("../../package.json"), undefined);
  assert.throws(
    () => link("none.md"),
    /docs\/guide\/jit\.md links to none\.md, and there is no file docs\/guide\/none\.md/,
  );
});

test("headings have GitHub's names", () => {
  assert.is(githubSlug("What is the same, and what is not"), "what-is-the-same-and-what-is-not");
  assert.is(githubSlug("1 · The observation: knowledge"), "1--the-observation-knowledge");
});

test.run();
