/** A reproduction as files: Markdown, CSV, JSON, and a page of HTML that needs nothing but itself. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Control } from "../experiments/controls.ts";
import { type Html, html } from "../experiments/report/html.ts";
import { fact, page, type Section } from "../experiments/report/page.ts";
import { csvLines, markdownTable } from "../experiments/report/plain-tables.ts";
import { scrollTable } from "../experiments/report/sections.ts";
import {
  capitalized,
  formatDate,
  formatFixed,
  formatSeconds,
  NOT_AVAILABLE,
  plural,
} from "../experiments/report/text.ts";
import { writeAtomic } from "../io/index.ts";
import type { Column } from "./experiment.ts";
import { drawings } from "./plots.ts";
import type { Reproduction } from "./reproduce.ts";
import type { CellResult, ClaimResult } from "./result.ts";

/** Standard deviation over seeds; of one there is none. */
function deviation(values: readonly number[], mean: number): number | undefined {
  if (values.length < 2) return undefined;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}

const signed = (value: number, digits: number): string =>
  `${Number(value.toFixed(digits)) > 0 ? "+" : ""}${formatFixed(value, digits)}`;

function ours({ values, mean }: CellResult, { digits }: Column): string {
  const spread = deviation(values, mean);
  return `${formatFixed(mean, digits)}${spread === undefined ? "" : ` ± ${formatFixed(spread, digits)}`}`;
}

function differenceText({ difference }: CellResult, { digits }: Column): string {
  if (!difference) return "";
  const { mean, interval } = difference;
  const range = interval ? ` (${interval.map((end) => signed(end, digits)).join(" to ")})` : "";
  return `${signed(mean, digits)}${range}`;
}

/** Heads and rows: of each column the paper's value where it has any, ours, and the difference within seeds. */
function tableOf({ columns, rows, against }: Reproduction): { head: string[]; rows: string[][] } {
  const shown = columns.map((column) => {
    const cells = rows.map((row) => row.cells.find((cell) => cell.column === column.id));
    const hasPaper = cells.some((cell) => cell?.paper !== undefined);
    const hasDifference = against !== undefined && cells.some((cell) => cell?.difference);
    const label = hasPaper || hasDifference ? `${column.label}, here` : column.label;
    return {
      head: [
        ...(hasPaper ? [`${column.label}, paper`] : []),
        label,
        ...(hasDifference ? ["difference"] : []),
      ],
      texts: cells.map((cell) => [
        ...(hasPaper ? [cell?.paper === undefined ? "" : formatFixed(cell.paper, column.digits)] : []),
        cell ? ours(cell, column) : "",
        ...(hasDifference ? [cell ? differenceText(cell, column) : ""] : []),
      ]),
    };
  });
  return {
    head: ["", ...shown.flatMap(({ head }) => head)],
    rows: rows.map(({ label }, i) => [label, ...shown.flatMap(({ texts }) => texts[i])]),
  };
}

const claimRow = ({ about, count, tau, interval, verdict }: ClaimResult): string[] => [
  about,
  String(count),
  Number.isFinite(tau) ? signed(tau, 2) : NOT_AVAILABLE,
  interval ? interval.map((end) => signed(end, 2)).join(" to ") : "none",
  verdict,
];
const CLAIM_HEAD = ["order of", "values", "Kendall's tau", "95 % interval", "the paper's order"];

/** How released weights were measured, in sentences. */
function releasedNotes({
  checkpoint,
  model,
  reference,
  count,
  steps,
  guidance,
  warnings,
}: NonNullable<Reproduction["released"]>): string[] {
  return [
    `${model} from ${checkpoint}: ${plural(count, "image")}, ${plural(steps, "step")} of the stochastic sampler, guidance ${guidance}, measured against ${reference}.`,
    ...warnings.map((warning) => `${capitalized(warning)}.`),
  ];
}

/** Of an experiment that is looked at. */
const pictureNotes = ({ scale, dataset, steps, seeds }: Reproduction): string[] => [
  `Scale ${scale}: ${dataset} without classes, ${plural(steps, "step")}, seed ${seeds[0]}.`,
  "The components, and with them the colours, are of all images of a column together; two columns have nothing in common. A block's tokens are drawn as large as their patches.",
];

/** What models are told of images. */
const toldOf = ({ guidance }: Reproduction): string =>
  guidance === undefined ? "without classes" : `drawn by held-out captions with guidance ${guidance}`;

/** What a measure says of images that are no samples. */
const controlText = ({ name, frechet, inceptionScore, facts }: Control): string =>
  `${name}, ${formatFixed(frechet, 2)} and ${facts ? `${formatFixed(100 * facts.all, 1)} %` : formatFixed(inceptionScore, 2)}`;

/** What the numbers are, in sentences. */
function notes(result: Reproduction): string[] {
  if (result.released) return releasedNotes(result.released);
  if (result.pictures) return pictureNotes(result);
  const { scale, dataset, seeds, steps, controls, rows, claims, against, guidance } = result;
  const told = toldOf(result);
  const measured = guidance === undefined ? "FID and IS are" : "FID is";
  const beside = guidance === undefined ? "" : " (FID and all facts)";
  const base = rows.find(({ id }) => id === against)?.label;
  return [
    ...(controls
      ? [
          `Scale ${scale}: ${dataset} ${told}, ${plural(steps, "step")}, ${plural(seeds.length, "seed")} (${seeds.join(", ")}).`,
          "Here: the mean over seeds ± their standard deviation.",
        ]
      : [`Scale ${scale}: medians of steps on ${dataset} ${told}, measured in turns.`]),
    ...(base ? [`Differences are from "${base}" within seeds, with a 95 % interval (Student's t).`] : []),
    ...(controls
      ? [
          `${measured} of the data set's own classifier, not Inception's, so only orders compare with the paper. Beside them${beside}: ${controls.map(controlText).join("; ")}. Where an FID is no better than that of images without learning, no order is judged.`,
        ]
      : []),
    ...(claims.length === 0
      ? []
      : [
          "tau is 1 where the means are in the paper's order, -1 where they are in the opposite one; its interval is from a bootstrap over seeds, and an order holds where that lies above 0.",
        ]),
  ];
}

/** The table, what it claims and how it came about, as Markdown. */
export function markdown(result: Reproduction): string {
  const { title, about, claims, command, version, createdAt, machine, seconds } = result;
  const table = tableOf(result);
  const { cpu, cores, gpu } = machine;
  return [
    `# ${title}`,
    about,
    ...(table.rows.length > 0 ? [markdownTable(table.head, table.rows)] : []),
    ...(result.pictures ?? []).map(
      ({ label, caption, file }) => `**${label}**, ${caption}\n\n![${label}, ${caption}](${file})`,
    ),
    ...(claims.length > 0 ? [markdownTable(CLAIM_HEAD, claims.map(claimRow))] : []),
    notes(result)
      .map((note) => `- ${note}`)
      .join("\n"),
    `ditlab ${version}, ${createdAt.slice(0, 10)}, ${gpu ?? `${cpu} (${cores} cores)`}, ${formatSeconds(seconds.total ?? Number.NaN)} in all${command ? `: \`${command}\`` : ""}.`,
    "",
  ].join("\n\n");
}

/** A line for each value: of each row and column, that of each seed. */
function csv({ experiment, rows, seeds }: Reproduction): string {
  const lines = rows.flatMap(({ id, cells }) =>
    cells.flatMap(({ column, paper, values }) =>
      values.map((value, i) => [
        experiment,
        id,
        column,
        values.length === seeds.length ? seeds[i] : "",
        value,
        paper,
      ]),
    ),
  );
  return csvLines([["experiment", "row", "column", "seed", "value", "paper"], ...lines]);
}

/** The pictures of a row, in the page itself. */
async function pictureSections(folder: string, { pictures = [], about }: Reproduction): Promise<Section[]> {
  const rows = [...new Set(pictures.map(({ row }) => row))];
  return Promise.all(
    rows.map(async (row, i) => {
      const own = pictures.filter((picture) => picture.row === row);
      const figures = own.map(async ({ label, caption, file }) => {
        const data = (await readFile(join(folder, file))).toString("base64");
        return html`<figure class="card"><img src="data:image/png;base64,${data}" alt="${label}, ${caption}" style="max-width:100%;height:auto"><figcaption>${caption}</figcaption></figure>`;
      });
      return {
        id: row,
        title: own[0].label,
        intro: i === 0 ? about : "",
        body: html`${await Promise.all(figures)}`,
      };
    }),
  );
}

function htmlPage(result: Reproduction, pictures: readonly Section[]): string {
  const { title, about, claims, scale, seeds, createdAt, seconds, command, version } = result;
  const drawn = drawings(result);
  const table = (head: string[], rows: string[][], caption: string): Html =>
    html`<div class="card">${scrollTable({ caption, head, rows })}</div>`;
  const { head, rows } = tableOf(result);
  const sections: Section[] = [
    ...(rows.length > 0
      ? [{ id: "table", title: "The paper's values and ours", intro: about, body: table(head, rows, title) }]
      : []),
    ...pictures,
    ...(drawn.length > 0
      ? [
          {
            id: "plots",
            title: "Plots",
            intro:
              "Each mark of ours is a mean over seeds, and its line goes from the lowest seed to the highest.",
            body: html`<div class="grid">${drawn.map(
              ({ id, heading, description }) => html`<figure class="card"><h3>${heading}</h3>
<div class="plot" id="${id}" role="img" aria-label="${description}"><p>The plot needs JavaScript and a browser from 2023 or later. Its numbers are in the table.</p></div></figure>`,
            )}</div>`,
          },
        ]
      : []),
    ...(claims.length > 0
      ? [
          {
            id: "orders",
            title: "Does the paper's order hold?",
            intro: "Computed from the values above, never more than the seeds carry.",
            body: table(CLAIM_HEAD, claims.map(claimRow), "Orders"),
          },
        ]
      : []),
    {
      id: "notes",
      title: result.pictures ? "What these pictures are" : "What these numbers are",
      intro: command ? `Made by: ${command}` : "",
      body: html`<div class="card limits"><ul>${notes(result).map((note) => html`<li>${note}</li>`)}</ul></div>`,
    },
  ];
  const header = html`<header>
<p class="kicker">ditlab reproduction</p>
<h1>${title}</h1>
<dl class="facts">${fact("Scale", scale)}${fact("Seeds", seeds.join(", "))}${fact("Total time", formatSeconds(seconds.total ?? Number.NaN))}${fact("Made", html`<time datetime="${createdAt}">${formatDate(createdAt)}</time>`)}</dl>
</header>`;
  return page({ title, skip: "Skip to the table", header, sections, drawn, version });
}

/** Writes `<experiment>.md`, `.csv`, `.json` and `.html`, each all or nothing. */
export async function writePages(folder: string, result: Reproduction): Promise<void> {
  const texts = {
    md: markdown(result),
    csv: csv(result),
    json: `${JSON.stringify(result, null, 2)}\n`,
    html: htmlPage(result, await pictureSections(folder, result)),
  };
  for (const [ending, text] of Object.entries(texts))
    await writeAtomic(join(folder, `${result.experiment}.${ending}`), text);
}
