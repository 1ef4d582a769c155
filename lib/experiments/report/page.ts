/** A page of HTML that needs nothing but itself: the report's shell, and that of reproduced tables. */
import { CLIENT_SCRIPT, plotlyBundle } from "./client.ts";
import { type Html, html, raw, scriptJson } from "./html.ts";
import { STYLE_SHEET } from "./style.ts";

/** Forbids every request; only what the page carries itself may run or show. */
const POLICY =
  "default-src 'none'; img-src data: blob:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

export interface Section {
  readonly id: string;
  readonly title: string;
  readonly intro: string;
  readonly body: Html;
}

export interface Page {
  readonly title: string;
  /** Of the link that skips the header. */
  readonly skip: string;
  readonly header: Html;
  readonly sections: readonly Section[];
  /** Plots by the ids of their elements, for plotly. */
  readonly drawn: readonly {
    readonly id: string;
    readonly data: readonly Record<string, unknown>[];
    readonly layout: Record<string, unknown>;
  }[];
  readonly version: string;
}

/** A name and its value, in a header's list of facts. */
export const fact = (name: string, value: Html | string): Html =>
  html`<div><dt>${name}</dt><dd>${value}</dd></div>`;

/** The text of the page. */
export function page({ title, skip, header, sections, drawn, version }: Page): string {
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${raw(STYLE_SHEET)}</style>
</head>
<body>
<a class="skip" href="#main">${skip}</a>
<div class="page">
${header}
<main id="main">
${sections.map(
  (part) => html`<section id="${part.id}" aria-labelledby="${part.id}-heading">
<h2 id="${part.id}-heading">${part.title}</h2>
<p class="intro">${part.intro}</p>
${part.body}
</section>
`,
)}</main>
<footer><p>Made by ditlab ${version}. Plots by plotly.js (MIT licence), which this file carries; the page makes no request.</p></footer>
</div>
<script type="application/json" id="figures">${scriptJson(drawn)}</script>
${plotlyBundle()}
<script>${raw(CLIENT_SCRIPT)}</script>
</body>
</html>
`.html;
}
