/** The page's style sheet. */

import { colorVariables } from "./arms.ts";

const LIGHT = `
  color-scheme: light;
  --paper: #f6f5f1; --surface: #ffffff; --ink: #1b1d21; --muted: #565b63; --line: #dedcd4;
  --grid: #e9e8e3; --axis: #9a9ca0; --link: #0b5c94;
  ${colorVariables(0)}
  --real: #6a6d72; --good: #1c6b45; --bad: #9a2f2f; --tint: #efede6;`;

const DARK = `
  color-scheme: dark;
  --paper: #121418; --surface: #1a1d23; --ink: #e9e8e4; --muted: #a9adb5; --line: #30343c;
  --grid: #2a2e35; --axis: #6b7079; --link: #7cc0ee;
  ${colorVariables(1)}
  --real: #b3b6bb; --good: #7fd0a6; --bad: #f0a3a0; --tint: #23272e;`;

/** All rules of the report. */
export const STYLE_SHEET = `
:root {${LIGHT}
}
@media screen and (prefers-color-scheme: dark) {
  :root:not(.printing) {${DARK}
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
@media (prefers-reduced-motion: reduce) {
  *, *::before, *::after { transition: none !important; animation: none !important; }
}
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
.skip { position: absolute; left: -999rem; }
.skip:focus { left: 1rem; top: 1rem; padding: 0.5rem 1rem; background: var(--surface); z-index: 1; }
.page { max-width: 72rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem) 4rem; }
h1, h2, h3, .lead { font-family: "Iowan Old Style", Charter, "Source Serif 4", Georgia, "Noto Serif", serif; }
h1 { font-size: clamp(1.8rem, 5vw, 2.75rem); line-height: 1.12; letter-spacing: -0.015em; margin: 0 0 1.25rem; text-wrap: balance; }
h2 { font-size: clamp(1.4rem, 3.2vw, 1.75rem); line-height: 1.2; margin: 0 0 0.5rem; }
h3 { font-size: 1.1rem; line-height: 1.3; margin: 0; }
p { margin: 0 0 0.9rem; max-width: 68ch; }
a { color: var(--link); }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 3px; }
header { padding: clamp(2rem, 6vw, 4rem) 0 0; }
.kicker { font-size: 0.85rem; letter-spacing: 0.06em; text-transform: uppercase; color: var(--muted); margin-bottom: 0.75rem; }
.lead { font-size: clamp(1.1rem, 2.2vw, 1.3rem); line-height: 1.5; max-width: 68ch; }
.facts { display: flex; flex-wrap: wrap; gap: 0.3rem 1.6rem; margin: 1.5rem 0 0; padding: 0.9rem 0; border-block: 1px solid var(--line); font-size: 0.92rem; }
.facts div { display: flex; gap: 0.45rem; }
.facts dt { color: var(--muted); }
.facts dd { margin: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.1rem 1.25rem; list-style: none; margin: 0.7rem 0 0; padding: 0; font-size: 0.92rem; }
nav a { display: inline-block; padding: 0.3rem 0; }
section { margin-top: clamp(2.5rem, 6vw, 4rem); }
section > .intro { color: var(--muted); margin-bottom: 1.25rem; }
.card { background: var(--surface); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem; min-width: 0; }
figure { margin: 0; }
.grid { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.grid.three { grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.grid + .grid { margin-top: 1.1rem; }
.plot { height: 17.5rem; margin: 0.6rem -0.4rem 0.2rem; }
.three .plot { height: 15.5rem; }
.plot p { padding: 1rem; color: var(--muted); }
.note { color: var(--muted); font-size: 0.875rem; margin: 0.1rem 0 0; }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.1rem; list-style: none; margin: 0 0 0.6rem; padding: 0; font-size: 0.875rem; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 0.45rem; }
.swatch { flex: none; width: 34px; height: 14px; }
.arm { white-space: nowrap; }
figcaption .swatch { margin-top: 0.15em; }
.arm .swatch { vertical-align: -2px; margin-right: 0.35rem; }
details { font-size: 0.9rem; }
summary { cursor: pointer; color: var(--link); padding: 0.3rem 0; width: fit-content; }
.scroll { overflow-x: auto; max-width: 100%; }
.scroll th:first-child { position: sticky; left: 0; background: var(--surface); padding-right: 0.7rem; }
.scroll tbody th, .scroll tbody td { white-space: nowrap; }
.group th { padding-top: 1rem; border-bottom: 0; font-weight: 600; }
.group span { position: sticky; left: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 0.92rem; line-height: 1.4; }
caption { text-align: left; color: var(--muted); font-size: 0.875rem; padding: 0 0 0.4rem; }
th, td { padding: 0.45rem 0.7rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: baseline; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 600; color: var(--muted); font-size: 0.85rem; vertical-align: bottom; }
tbody th { font-weight: 500; }
tbody tr:last-child > * { border-bottom: 0; }
.strong > * { font-weight: 650; }
.rule > * { border-top: 2px solid var(--line); }
.quiet { color: var(--muted); }
.versus { margin-top: 1.4rem; }
.versus summary { font-size: 1.05rem; }
.versus + .legend, .versus .legend { margin: 0.35rem 0 0; }
.overview { margin: 0.9rem 0; }
.overview .pill { white-space: nowrap; }
.costs { margin: 0.4rem 0 0.6rem; padding-left: 1.1rem; font-size: 0.92rem; }
.findings td { white-space: nowrap; }
.findings .what, .findings .verdict, .findings .each { white-space: normal; text-align: left; }
.findings small, .plain small { display: block; color: var(--muted); font-weight: 400; font-size: 0.82rem; }
.findings tr > * { vertical-align: middle; }
.poles { display: flex; justify-content: space-between; width: 220px; font-weight: 400; }
.findings .seeds span { white-space: nowrap; margin-right: 0.35rem; }
.note + .findings { margin-top: 0.6rem; }
.strip { display: block; width: 220px; height: 30px; overflow: visible; }
.strip .zero { stroke: var(--axis); stroke-width: 1.5; }
.strip .span { stroke: var(--muted); stroke-width: 2; opacity: 0.55; }
.strip .dot { fill: var(--surface); stroke: var(--ink); stroke-width: 1.75; }
.strip .mean { stroke: var(--ink); stroke-width: 2.5; }
.pill { display: inline-block; padding: 0.1rem 0.6rem; border-radius: 0.9rem; border: 1.5px solid var(--axis); color: var(--muted); font-size: 0.85rem; font-weight: 600; }
.pill.better { border-color: var(--good); color: var(--good); }
.pill.worse { border-color: var(--bad); color: var(--bad); }
.samples { display: grid; gap: 1.1rem; grid-template-columns: 2fr 1fr; align-items: start; }
.by-seed { display: grid; gap: 1.1rem; }
.seed { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 8rem), 1fr)); gap: 0.6rem 1rem; margin-top: 0.6rem; }
.seed figure { max-width: 24rem; }
.real { position: sticky; top: 1rem; }
.real img { margin-top: 0.6rem; }
img { display: block; width: 100%; height: auto; image-rendering: pixelated; border-radius: 4px; background: var(--tint); }
.real figcaption { display: block; }
figcaption { display: flex; align-items: flex-start; line-height: 1.35; font-size: 0.875rem; color: var(--muted); margin-top: 0.4rem; }
.missing { display: grid; place-items: center; aspect-ratio: 1; padding: 1rem; background: var(--tint); border-radius: 4px; color: var(--muted); font-size: 0.875rem; text-align: center; overflow-wrap: anywhere; }
.columns { columns: 2 24rem; column-gap: 1.1rem; }
.columns > .card { break-inside: avoid; margin-bottom: 1.1rem; }
.card > h3 + .plain, .card > .note + .plain, .note + .scroll { margin-top: 0.5rem; }
.plain td { overflow-wrap: anywhere; }
.bar { display: block; height: 5px; border-radius: 3px; background: var(--axis); min-width: 2px; margin-top: 0.25rem; }
.limits { display: grid; gap: 1.1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); align-items: start; }
.limits ul { margin: 0.6rem 0 0; padding-left: 1.15rem; }
.limits li { margin-bottom: 0.6rem; }
footer { margin-top: 4rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--muted); font-size: 0.875rem; }
@media (max-width: 66rem) {
  .findings td[data-head]::before { content: attr(data-head); display: block; color: var(--muted); font-size: 0.8rem; }
  .findings, .findings tbody { display: block; }
  .findings thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .findings tr { display: grid; grid-template-columns: 1fr auto; gap: 0.35rem 1rem; padding: 0.9rem 0; border-bottom: 1px solid var(--line); }
  .findings tr:last-child { border-bottom: 0; }
  .findings tr > * { border: 0; padding: 0; text-align: left; }
  .findings .what { font-size: 1.02rem; font-weight: 650; }
  .findings .each { grid-column: 1 / -1; }
  .findings .verdict { grid-column: 1 / -1; display: flex; flex-wrap: wrap; align-items: center; gap: 0.2rem 0.6rem; }
}
@media (min-width: 66rem) {
  .findings .each { min-width: 15.5rem; }
}
@media (max-width: 44rem) {
  .card { padding: 0.9rem 0.9rem; }
  .samples { grid-template-columns: 1fr; }
  .real { position: static; order: -1; }
  .real .frame { max-width: 50%; }
  .scroll :is(th, td) { padding-inline: 0.45rem; }
  .scroll :is(th, td):first-child { padding-left: 0; }
}
@media screen and (max-width: 44rem) {
  .scroll thead th:nth-child(n + 6) { min-width: 6.5rem; }
}
@media print {
  body { background: #fff; font-size: 10pt; }
  .card { border-color: #bbb; }
  nav, .skip, details:not([open]) { display: none; }
  .card, figure, tr, .intro { break-inside: avoid; }
  .card:has(.findings) { break-inside: auto; }
  h2, h3, .intro { break-after: avoid; }
  .real { position: static; }
  .scroll { overflow: visible; }
  section { margin-top: 1.5rem; }
}
.printing .page { max-width: 42rem; padding: 0; }
.printing .grid, .printing .grid.three { grid-template-columns: 1fr 1fr; }
`;
