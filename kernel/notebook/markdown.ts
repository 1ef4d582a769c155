/** Markdown as notebooks have it: GitHub's, with TeX, links to headings and pictures that the cell itself carries. */
import { createRequire } from "node:module";
import katex from "katex";
import { Marked, type RendererThis, type Tokens } from "marked";
import markedKatex from "marked-katex-extension";
import { escapeHtml } from "../display/table.ts";
import { withLetters } from "./letters.ts";

/** highlight.js without its declarations, which would bring the browser's types into the whole program. */
interface Highlighter {
  registerLanguage(name: string, language: unknown): void;
  highlight(code: string, options: { language: string }): { value: string };
}
const require = createRequire(import.meta.url);
const hljs = require("highlight.js/lib/core") as Highlighter;
hljs.registerLanguage("typescript", require("highlight.js/lib/languages/typescript"));

/** The longest line whose words are coloured: the time for that grows with its square, and nobody reads longer ones. */
const LONGEST_LINE = 5_000;

/** TypeScript as HTML. */
export const highlight = (code: string): string =>
  code.split("\n").some(({ length }) => length > LONGEST_LINE)
    ? escapeHtml(code)
    : hljs.highlight(code, { language: "typescript" }).value;

// MathML needs no fonts, and every browser of today draws it.
const KATEX = { output: "mathml", throwOnError: false } as const;

/** TeX that stands by itself: between `$$`, on as many lines as it takes, or in an environment of its own. */
const DISPLAY =
  /^ {0,3}(?:\$\$((?:(?!\n\s*\n|\$\$)[\s\S])+)\$\$|(\\begin\{(\w+\*?)\}[\s\S]*?\\end\{\3\}))[ \t]*(?:\n|$)/;
const displayMath = {
  name: "displayMath",
  level: "block" as const,
  start: (source: string) => /^ {0,3}(?:\$\$|\\begin\{)/m.exec(source)?.index,
  tokenizer(source: string) {
    const found = DISPLAY.exec(source);
    return found ? { type: "displayMath", raw: found[0], text: (found[1] ?? found[2]).trim() } : undefined;
  },
  renderer: ({ text }: Tokens.Generic) =>
    `<p>${katex.renderToString(text, { ...KATEX, displayMode: true })}</p>\n`,
};

/** A heading with the names by which Jupyter and by which GitHub and VS Code link to it. */
function heading(this: RendererThis, { tokens, depth, text }: Tokens.Heading): string {
  const plain = text.replace(/[*_`$]/g, "").trim();
  const jupyter = plain.replaceAll(" ", "-");
  const github = plain
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
  const other = github === jupyter ? "" : `<a id="${escapeHtml(github)}"></a>`;
  return `<h${depth} id="${escapeHtml(jupyter)}">${other}${this.parser.parseInline(tokens)}</h${depth}>\n`;
}

const marked = new Marked(
  { gfm: true },
  markedKatex({ ...KATEX, nonStandard: true }),
  { extensions: [displayMath] },
  {
    renderer: {
      heading,
      code: ({ text, lang }) =>
        `<pre><code>${/^(ts|typescript|js|javascript)$/.test(lang ?? "") ? highlight(text) : escapeHtml(text)}</code></pre>\n`,
    },
  },
);

/** An image as an address that holds it; `value` is base64, or SVG's text. */
export function imageUrl(type: string, value: unknown): string {
  const text = String(value);
  const base64 = type === "image/svg+xml" ? Buffer.from(text).toString("base64") : text.replace(/\s/g, "");
  return `data:${type};base64,${base64}`;
}

type Attachments = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** Markdown as HTML; `attachment:name` stands for a picture among `attachments`. */
export function markdown(text: string, attachments: Attachments = {}): string {
  const html = withLetters(marked.parse(text) as string);
  return html.replace(/(?<=\ssrc=")attachment:([^"]+)(?=")/g, (address, name: string) => {
    let plain = name;
    try {
      plain = decodeURIComponent(name);
    } catch {
      // A name with a bare percent sign.
    }
    const found = Object.entries(attachments[plain] ?? {})[0];
    return found ? imageUrl(...found) : address;
  });
}
