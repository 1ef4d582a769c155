/** The report: one HTML page that needs nothing but itself. */

import { readFile } from "node:fs/promises";
import { writeWhole } from "../../whole.ts";
import type { Results } from "../results.ts";
import { costTable } from "./cost.ts";
import { type Figures, figuresOf } from "./figures.ts";
import { compareArms, type PairComparison } from "./findings.ts";
import { findingsSection } from "./findings-table.ts";
import { type Html, html } from "./html.ts";
import { limitsSection } from "./limits.ts";
import { finalStep } from "./measures.ts";
import { fact, page, type Section } from "./page.ts";
import { parseResults, type ReportImages, readImages } from "./read.ts";
import { plotGrid, samplesSection } from "./sections.ts";
import { pairName, summarize, titleOf } from "./sentence.ts";
import { finalTable, machineTable, measurementTable, settingsTables, timeTable } from "./tables.ts";
import { formatCount, formatDate, formatSeconds } from "./text.ts";

function sections(
  results: Results,
  comparisons: readonly PairComparison[],
  images: ReportImages,
  figures: Figures,
): Section[] {
  const { losses, metrics, probeByBlock, probeByStep } = figures;
  const list: (Section & { show?: boolean })[] = [
    {
      id: "comparison",
      title: comparisons.length === 1 ? pairName(comparisons[0]) : "Every pair of arms",
      intro: `Every seed trains every arm; what counts is the difference within a seed. Values after ${formatCount(finalStep(results) ?? Number.NaN)} training steps.`,
      body: comparisons.length > 0 ? findingsSection(results, comparisons) : html``,
      show: comparisons.length > 0,
    },
    {
      id: "samples",
      title: "Samples",
      intro:
        "Every run starts from the same noise, so images in the same place belong together. Where an arm knows the classes, each column is one, drawn with classifier-free guidance; the metrics are of samples without it.",
      body: samplesSection(results, images),
    },
    {
      id: "metrics",
      title: "Sample quality over training",
      intro: `Metrics of ${formatCount(results.sampleCounts.generated)} generated images against ${formatCount(results.sampleCounts.reference)} reference images, in the features of ${results.featureNetwork.name}.`,
      body: plotGrid(metrics),
      show: metrics.length > 0,
    },
    {
      id: "representations",
      title: "Representations",
      intro:
        "Accuracy of a linear classifier on the features of each block, for inputs with a given amount of noise (t = 0 is a clean image, t = 1 pure noise; of a DiT t is the share of its steps, and its noise at one t is not that of a SiT). Blocks are counted from 1.",
      body: html`${plotGrid(probeByBlock, "three")}${plotGrid(probeByStep)}`,
      show: probeByBlock.length > 0,
    },
    {
      id: "losses",
      title: "Training losses",
      intro: "The generative loss of every arm, and the losses of the methods that arms have.",
      body: plotGrid(losses),
      show: losses.length > 0,
    },
    {
      id: "numbers",
      title: "Values at the end",
      intro: "Each run, and the mean of each arm.",
      body: finalTable(results),
    },
    {
      id: "limits",
      title: "What these numbers do and do not show",
      intro: "Read this before quoting a number.",
      body: limitsSection(results, comparisons),
    },
    {
      id: "setup",
      title: "Settings, machine and time",
      intro: "What ran, on which machine, and for how long.",
      body: html`<div class="columns">${settingsTables(results)}${measurementTable(results)}${machineTable(results)}${timeTable(results)}${costTable(results)}</div>`,
    },
  ];
  return list.filter((section) => section.show !== false);
}

function header(results: Results, comparisons: readonly PairComparison[], parts: readonly Section[]): Html {
  const network = results.featureNetwork.name;
  return html`<header>
<p class="kicker">ditlab report</p>
<h1>${titleOf(results)}</h1>
<p class="lead">${summarize(results, comparisons)}</p>
<dl class="facts">${fact("Scale", results.scale)}${fact("Seeds", results.seeds.join(", "))}${fact("Features", network)}${fact("Total time", formatSeconds(results.seconds.total ?? Number.NaN))}${fact("Made", html`<time datetime="${results.createdAt}">${formatDate(results.createdAt)}</time>`)}</dl>
<nav aria-label="Sections"><ul>${parts.map((part) => html`<li><a href="#${part.id}">${part.title}</a></li>`)}</ul></nav>
</header>`;
}

/**
 * The report as the text of an HTML page.
 *
 * @param images PNG pictures as data URIs, by the names that the results use. A missing one is named in its place.
 */
export function renderReport(given: Results, images: ReportImages): string {
  const arrows = (text: string): string => text.replaceAll("->", "\u2192");
  const arms = given.arms.map((arm) => ({ ...arm, label: arrows(arm.label), phrase: arrows(arm.phrase) }));
  const results = { ...given, arms };
  const comparisons = compareArms(results);
  const figures = figuresOf(results);
  const parts = sections(results, comparisons, images, figures);
  const drawn = Object.values(figures)
    .flat()
    .map(({ id, data, layout }) => ({ id, data, layout }));
  return page({
    title: `${titleOf(results)}: ditlab report`,
    skip: "Skip to the report",
    header: header(results, comparisons, parts),
    sections: parts,
    drawn,
    version: results.version,
  });
}

/**
 * Reads a results file and the pictures beside it and writes the report as one self-contained HTML file, all or
 * nothing.
 *
 * @throws Error when the file is no results file of a known format, or a named picture is not a PNG.
 */
export async function writeReport(resultsPath: string, outputPath: string): Promise<void> {
  const results = parseResults(await readFile(resultsPath, "utf8"));
  const images = await readImages(results, resultsPath);
  await writeWhole(outputPath, renderReport(results, images));
}
