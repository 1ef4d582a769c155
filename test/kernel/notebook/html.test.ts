/** A notebook's page. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { loaderHtml } from "../../../kernel/display/plotly-page.ts";
import type { Cell, Notebook, Output } from "../../../kernel/notebook/format.ts";
import { notebookPage } from "../../../kernel/notebook/html.ts";

const notebookOf = (...cells: Cell[]): Notebook => ({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells });
const code = (source: string, ...outputs: Output[]): Cell => ({
  ...{ cell_type: "code", id: "c", metadata: {} },
  ...{ source, outputs, execution_count: 1 },
});
const text = (source: string, attachments?: Record<string, Record<string, unknown>>): Cell => ({
  ...{ cell_type: "markdown", id: "m", metadata: {}, source },
  ...(attachments ? { attachments } : {}),
});
const data = (bundle: Record<string, unknown>, metadata = {}): Output => ({
  output_type: "display_data",
  data: bundle,
  metadata,
});
const stream = (words: string): Output => ({ output_type: "stream", name: "stdout", text: words });

/** What stands between the page's `<main>`. */
const body = (...cells: Cell[]): string =>
  /<main>\n([\s\S]*)\n<\/main>/.exec(notebookPage(notebookOf(...cells), "n"))![1];

test("every output is in its richest form, and the page needs no network", () => {
  const page = notebookPage(
    notebookOf(
      text("# Title é of `x`"),
      code(
        "let steps = 1",
        data({ "text/plain": "p", "text/html": "<b>\n</b>" }),
        data({ "text/plain": "p", "image/png": "aGVs\nbG8=" }, { "image/png": { width: 60 } }),
        data({ "application/json": { a: "<i>" } }),
        data({ "application/unknown": "x" }),
        { output_type: "error", ename: "E", evalue: "v", traceback: ["l1", "\u001b[31mred"] },
      ),
    ),
    "n",
  );
  assert.match(page, /<title>Title é of x<\/title>/);
  assert.match(page, /<b>\n<\/b>/);
  assert.match(page, /<img alt="" width="60" src="data:image\/png;base64,aGVsbG8=">/);
  assert.not.match(page, /<i>/);
  assert.match(page, /class="ansi-red-fg">red/);
  assert.match(page, /hljs-keyword">let/);
  assert.not.match(page, /(src|href)="https?:/);
  assert.match(notebookPage(notebookOf(), "a < b"), /<title>a &(lt|#60); b<\/title>/);
});

test("text is escaped where it is text", () => {
  const hostile = "</code><script>alert(1)</script>";
  const raw: Cell = { cell_type: "raw", id: "r", metadata: {}, source: hostile };
  const page = body(code(hostile, stream(hostile), data({ "text/plain": hostile })), raw);
  assert.not.match(page, /<script>/);
});

test("lines that were written over are as a terminal leaves them", () => {
  const shown = (words: string) =>
    /<pre class="stdout">([\s\S]*?)<\/pre>/.exec(body(code("x", stream(words))))![1];
  assert.is(shown("10%\r50%\r100%\ndone\n"), "100%\ndone\n");
  assert.is(shown("a\r\nb\r\n"), "a\nb\n");
  assert.is(shown("1\r2\r"), "2");
});

test("TeX becomes MathML: in a line, on lines of its own, in environments", () => {
  for (const [source, block] of [
    ["with $x_1^2$ inside", false],
    ["with $$x_1^2$$ inside", true],
    ["$$\nx_1^2\n$$", true],
    ["before\n$$x_1\n+ y_2$$\nafter", true],
    ["\\begin{align} a &= b \\\\ c &= d_1 \\end{align}", true],
  ] as const) {
    const page = body(text(source));
    assert.match(page, block ? /<math [^>]*display="block"/ : /<math (?![^>]*display="block")/, source);
    assert.not.match(page.replace(/<annotation[\s\S]*?<\/annotation>/g, ""), /\$|\\|<em>|<ul>/, source);
    assert.match(body(code("x", data({ "text/latex": source }))), /<math /, source);
  }
  assert.not.match(body(text("costs \\$5 and \\$6; `$x$`\n\n```\n$$x$$\n```")), /<math/);
});

test("headings can be linked to, and pictures that a cell carries are on the page", () => {
  const page = body(
    text(
      "## The *second* part!\n\n![p](attachment:a%20b.png) ![s](attachment:s.svg) ![n](attachment:none.png)",
      {
        "a b.png": { "image/png": "aGVsbG8=" },
        "s.svg": { "image/svg+xml": "<svg/>" },
      },
    ),
  );
  assert.match(
    page,
    /<h2 id="The-second-part!"><a id="the-second-part"><\/a>The <em>second<\/em> part!<\/h2>/,
  );
  assert.match(page, /src="data:image\/png;base64,aGVsbG8="/);
  assert.match(page, /src="data:image\/svg\+xml;base64,PHN2Zy8\+"/);
  assert.match(page, /src="attachment:none\.png"/);
});

test("a line of code that is longer than a book is shown, too", () => {
  // Its words would be coloured for an hour.
  const long = `const data = [${"x < 1, ".repeat(60_000)}];`;
  assert.ok(body(code(long)).includes(`<code>${long.replaceAll("<", "&#60;")}</code>`));
  assert.match(body(code("const a = 1;")), /<span class="hljs-keyword">const<\/span>/);
});

test("an empty cell takes no room", () => {
  assert.is(body({ ...code(" \n"), execution_count: null } as Cell), "");
});

test("cells fold what Jupyter hides of them, and a solution whole", () => {
  const marked = (metadata: Record<string, unknown>): Cell => ({
    ...code("const answer = 42", stream("printed")),
    metadata,
  });
  const shape = (metadata: Record<string, unknown>) =>
    body(marked(metadata))
      .replace(/<summary>/g, "[")
      .replace(/<\/summary>/g, "]")
      .match(/<details|<\/details|\[Show[^\]]*\]|class="source"|printed/g)!;
  const source = 'class="source"';
  assert.equal(shape({}), [source, "printed"]);
  assert.equal(shape({ jupyter: { source_hidden: true } }), [
    "<details",
    "[Show the code]",
    source,
    "</details",
    "printed",
  ]);
  assert.equal(shape({ jupyter: { outputs_hidden: true } }), [
    source,
    "<details",
    "[Show the outputs]",
    "printed",
    "</details",
  ]);
  const hidden = { source_hidden: true, outputs_hidden: true };
  assert.equal(shape({ jupyter: hidden, tags: ["solution"] }), [
    "<details",
    "[Show a solution]",
    source,
    "printed",
    "</details",
  ]);
});

test("letters of mathematics are Unicode's, which every browser draws", () => {
  const page = body(
    text(
      "$\\mathcal{L}$ $\\mathbb{E}$ $\\mathbb{R}$ $\\mathbf{x1}$ $\\mathfrak{g}$ $\\boldsymbol{\\theta}$ $\\mathrm{KL}$ $\\mathtt{z}$",
    ),
  );
  const math = page.replace(/<annotation[\s\S]*?<\/annotation>/g, "");
  for (const letter of ["ℒ", "𝔼", "ℝ", "𝐱", "𝟏", "𝔤", "𝜽", "𝚣"]) assert.ok(math.includes(letter), letter);
  assert.match(math, /<mi mathvariant="normal">K<\/mi>/);
  assert.not.match(math, /mathvariant="(?!normal)/);
  assert.match(
    body(text('`<mi mathvariant="script">L</mi>`')),
    /mathvariant=&quot;script&quot;/,
    "code stays code",
  );
});

test("plotly.js is on a page once, however often the notebook has it", () => {
  const [cartesian, whole] = [loaderHtml("cartesian"), loaderHtml("whole")];
  const bring = (html: string) => code("f", data({ "text/html": html, "text/plain": "" }));
  const page = body(
    bring(cartesian),
    bring(whole),
    bring(cartesian),
    code("g", data({ "text/html": "<b>figure</b>" })),
  );
  assert.is(page.split(cartesian).length, 2);
  assert.is(page.split(whole).length, 2);
  assert.ok(page.includes("<b>figure</b>"));
});

test.run();
