/** How arms look in plots and legends: by their place in the comparison, so that there may be any number of them. */

import { type Html, raw } from "./html.ts";

/** Colours that people with any colour vision tell apart, after Okabe and Ito: light theme, dark theme. */
export const ARM_COLORS: readonly (readonly [light: string, dark: string])[] = [
  ["#0072b2", "#5ab4ea"],
  ["#c94f00", "#f59e4c"],
  ["#00785a", "#3fd0a2"],
  ["#a83f86", "#e79acb"],
  ["#86690a", "#e6d750"],
  ["#1b1d21", "#e9e8e4"],
];

/** Dash lengths in pixels; none is a whole line. A dotted line is that of the real images. */
const DASHES = ["", "8 4", "14 3 3 3", "4 3"] as const;

/** Markers by plotly's name, and the same in a box of 34 by 14 around (17, 7). */
const MARKERS = [
  { symbol: "circle", shape: '<circle cx="17" cy="7" r="4.5"/>' },
  { symbol: "diamond", shape: '<path d="M17 1.5 22.5 7 17 12.5 11.5 7Z"/>' },
  { symbol: "square", shape: '<path d="M13 3h8v8h-8Z"/>' },
  { symbol: "triangle-up", shape: '<path d="M17 1.5 22.5 11.5h-11Z"/>' },
  { symbol: "triangle-down", shape: '<path d="M17 12.5 11.5 2.5h11Z"/>' },
] as const;

/** Colour, dash and marker of an arm. Six colours and five markers repeat together only after thirty arms. */
export function lookOf(place: number) {
  return {
    color: `arm-${(place % ARM_COLORS.length) + 1}`,
    dash: DASHES[place % DASHES.length],
    ...MARKERS[place % MARKERS.length],
  };
}

/** The variables of one theme: `--arm-1`, and `--arm-1-band`, which lies under lines. */
export const colorVariables = (theme: 0 | 1): string =>
  ARM_COLORS.map(
    (colors, i) => `--arm-${i + 1}: ${colors[theme]}; --arm-${i + 1}-band: ${colors[theme]}2b;`,
  ).join("\n  ");

/** The line and marker that an arm, or the real images, have in every plot. */
export function swatch(place: number | "real"): Html {
  const { color, dash, shape } = place === "real" ? { color: "real", dash: "2 3", shape: "" } : lookOf(place);
  return raw(
    `<svg class="swatch" viewBox="0 0 34 14" aria-hidden="true"><line x1="1" x2="33" y1="7" y2="7" stroke="var(--${color})" stroke-width="2.5" stroke-dasharray="${dash || "none"}"/><g fill="var(--${color})">${shape}</g></svg>`,
  );
}
