/** What `ditlab reproduce` has written to `docs/results` as pages: tables and plots beside the paper's values. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { experimentsNamed, type Reproduction, SMALL_SCALES } from "../../../lib/reproduce/index.ts";
import { markdown } from "../../../lib/reproduce/pages.ts";
import { drawings } from "../../../lib/reproduce/plots.ts";
import type { Attached } from "./outputs.ts";

export function readResult(path: string, root: string): Reproduction {
  const result = JSON.parse(readFileSync(join(root, path), "utf8")) as Reproduction & { format?: string };
  if (result.format !== "ditlab-reproduction/1")
    throw new Error(`${path} has the format ${result.format}; the site reads ditlab-reproduction/1`);
  return result;
}

/** Never more than the verdicts say, which are never more than the seeds carry. */
export function verdictSentence({ claims, seeds, pictures, columns }: Reproduction): string {
  if (pictures) return "Pictures, which are looked at and not measured.";
  if (claims.length === 0 && columns.some(({ id }) => id === "fid"))
    return "The paper has no such table, so there is no order to compare.";
  if (claims.length === 0)
    return "The table has no order to compare: it gives costs as multiples of the same model without SRA.";
  const [all] = claims;
  const count = (verdict: string): number => claims.filter((claim) => claim.verdict === verdict).length;
  const [holds, contradicted] = [count("holds"), count("contradicted")];
  const tau = all.tau.toFixed(2).replace("-", "−");
  const first = `Kendall's tau between the paper's order and ours is ${tau} for ${all.about} (1 is the same order, −1 the opposite).`;
  const orders =
    claims.length === 1 ? "the paper's order" : `any of the ${claims.length} orders that the paper has`;
  if (claims.every(({ verdict }) => verdict === "too few seeds"))
    return `**No verdict at this scale:** ${seeds.length} seeds are too few for a verdict on ${orders}. ${first}`;
  return `${holds} of ${claims.length} of the paper's orders hold, ${contradicted} ${contradicted === 1 ? "is" : "are"} contradicted, the others are not resolved. ${first}`;
}

const seedsText = ({ seeds }: Reproduction): string =>
  `${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"} (${seeds.join(", ")})`;

/** A result's page: what the files of the reproduction say, with its plots. */
export function resultPage(result: Reproduction, attached: Attached): string {
  const [title, about, ...rest] = markdown(result).split("\n\n");
  if (result.pictures) {
    // Of each a caption and the picture.
    const end = 2 * result.pictures.length;
    return [title, about, ...rest.slice(0, end), "## How to read this", ...rest.slice(end)].join("\n\n");
  }
  const plots = drawings(result).map(({ heading, description, data, layout }) => {
    const file = attached.add("json", JSON.stringify({ data, layout }));
    const label = description.replaceAll('"', "'").replaceAll("<", "&lt;");
    return `### ${heading}\n\n<PlotlyFigure src="${file}" description="${label}" :height="420" />`;
  });
  const note =
    plots.length > 0
      ? [
          "## Plots",
          "Each mark is a mean over seeds; its line goes from the lowest seed to the highest.",
          ...plots,
        ]
      : [];
  return [
    title,
    about,
    verdictSentence(result),
    "## The paper's values and ours",
    ...rest.slice(0, 1),
    ...note,
    "## How to read this",
    ...rest.slice(1),
  ].join("\n\n");
}

/** What all of them come to. */
function summary(results: readonly Reproduction[]): string {
  const holds = results.flatMap(({ claims }) => claims).filter(({ verdict }) => verdict === "holds").length;
  const first =
    holds === 0
      ? "**In short: no effect of SRA is reproduced here.**"
      : `**In short: ${holds} of the paper's orders hold.** The list says where.`;
  const tiny =
    " These runs are small: a model of the paper's depth but a sixteenth of its width, images of clothes in place of ImageNet, 1,500 steps in place of 400,000. They show that the whole path works, from training to the table.";
  return results.every(({ scale }) => scale === "tiny") ? first + tiny : first;
}

/** The list of all results, newest scale last, and what has no result here. */
export function resultsIndex(results: readonly { page: string; result: Reproduction }[]): string {
  const rows = results.map(
    ({ page, result }) =>
      `| [${result.title}](/${page}) | ${result.scale}, ${result.dataset} | ${result.controls || result.pictures ? `${result.steps.toLocaleString("en")} | ${result.seeds.length}` : "|"} | ${verdictSentence(result).replaceAll("|", "\\|")} |`,
  );
  const done = new Set(results.map(({ result }) => result.experiment));
  const missing = experimentsNamed("all", SMALL_SCALES.tiny)
    .filter(({ id }) => !done.has(id))
    .map(({ id, title }) => `- ${title}: \`ditlab reproduce ${id}\``);
  return `# Reproduced results

What \`ditlab reproduce\` has measured so far, beside the paper's values. The tables are read from the files that the command wrote
when this site was built, and nothing in them is edited by hand. [Reproducing the paper](/reproduce.md) says how the
experiments work, and [the paper's tables and figures](/paper.md) say which of them has a notebook and a command.

${summary(results.map(({ result }) => result))}

| result | scale and data | steps | seeds | what it says |
| --- | --- | --- | --- | --- |
${rows.join("\n")}

What the mechanism promises does show in a short run: in [the demo](/demo.md) the aligned block of a network that is told no
class knows 2.3 points more of it with SRA, with each of three seeds. Longer runs did find the paper's effect on samples: [a pilot on a GPU](/gpu-measurements.md), 18,600 steps of unlabelled Fashion-MNIST in
PyTorch, ends 8 to 9 % lower in distance with SRA, with each of its eight seeds.

## Not run yet

The commands below are ready, and no result of theirs is part of the repository.

${missing.join("\n")}

${results.length > 0 ? `The values of single seeds, as \`${seedsText(results[0].result)}\`, are in the JSON files beside the tables in \`docs/results\`.` : ""}
`;
}
