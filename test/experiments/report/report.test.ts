import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ARM_COLORS, lookOf } from "../../../lib/experiments/report/arms.ts";
import { figuresOf } from "../../../lib/experiments/report/figures.ts";
import { compare } from "../../../lib/experiments/report/findings.ts";
import { strip } from "../../../lib/experiments/report/findings-table.ts";
import { html, scriptJson } from "../../../lib/experiments/report/html.ts";
import { finalStep, measuresOf } from "../../../lib/experiments/report/measures.ts";
import { pairsOf } from "../../../lib/experiments/report/paired.ts";
import { parseResults, pngSize, readImages } from "../../../lib/experiments/report/read.ts";
import { renderReport, writeReport } from "../../../lib/experiments/report/report.ts";
import { figureTextOf, syntheticResults, withoutLibrary, writeSynthetic } from "./synthetic.ts";

const page = suite("report page");

const render = (...seeds: number[]) => withoutLibrary(renderReport(syntheticResults(seeds), new Map()));

page("text from the results cannot become markup", () => {
  const results = syntheticResults([0]);
  const evil = `</script><script>alert("1")</script><img src=x onerror='a'>&`;
  results.dataset = evil;
  results.arms[1].label = evil;
  results.featureNetwork.name = evil;
  results.machine.cpu = evil;
  results.settings[evil] = { [evil]: evil };
  results.seconds[evil] = 1;
  results.realSamples = evil;
  const text = withoutLibrary(renderReport(results, new Map()));
  assert.not.match(text, "<script>alert");
  assert.not.match(text, "<img src=x");
  assert.is(text.match(/<script/g)?.length, 3);
  assert.is(text.match(/<\/script/g)?.length, 3);
  assert.match(text, "&lt;/script&gt;&lt;script&gt;alert(&quot;1&quot;)");
  JSON.parse(figureTextOf(text));
});

page("what it ran on is named where that was a GPU", () => {
  const results = syntheticResults([0]);
  assert.not.match(withoutLibrary(renderReport(results, new Map())), "ran on</th>");
  results.machine.gpu = "a <GPU>";
  const text = withoutLibrary(renderReport(results, new Map()));
  assert.match(text, '<tr><th scope="row">ran on</th><td>a &lt;GPU&gt;</td></tr>');
});

page("templates escape by default and keep HTML", () => {
  assert.is(
    html`<p title="${`"'<>&`}">${html`<b>${"<"}</b>`}${["a", "<"]}${undefined}${3}</p>`.html,
    '<p title="&quot;&#39;&lt;&gt;&amp;"><b>&lt;</b>a&lt;3</p>',
  );
  assert.is(scriptJson({ a: "</script><!--" }).html, '{"a":"\\u003c/script>\\u003c!--"}');
});

page("carries plotly whole, with its licence, and names no other resource", async () => {
  const text = renderReport(syntheticResults([0]), new Map());
  const data =
    /<script type="application\/gzip" id="plotly-source">([A-Za-z0-9+/=]+)<\/script>/.exec(text)?.[1] ?? "";
  const source = gunzipSync(Buffer.from(data, "base64")).toString("utf8");
  assert.is(
    source,
    await readFile(
      new URL("../../../node_modules/plotly.js-cartesian-dist-min/plotly-cartesian.min.js", import.meta.url),
      "utf8",
    ),
  );
  const comment = text.slice(text.indexOf("<!--"), text.indexOf("-->"));
  assert.match(comment, /plotly\.js .*v\d/);
  assert.match(comment, "Permission is hereby granted");
  assert.not.match(withoutLibrary(text), /(src|href)="(?!data:|#)/);
  assert.ok(text.length < 1_500_000);
});

page("has every section, plot and table", () => {
  const text = render(0, 1, 2);
  for (const id of [
    "comparison",
    "samples",
    "metrics",
    "representations",
    "losses",
    "numbers",
    "limits",
    "setup",
  ])
    assert.match(text, `<section id="${id}"`);
  assert.is(text.match(/class="plot"/g)?.length, 11);
  assert.is(text.match(/role="img" aria-label="Line chart\. /g)?.length, 11);
  assert.is(text.match(/<details>/g)?.length, 11);
  assert.match(text, '<html lang="en">');
  assert.match(text, 'name="viewport"');
});

page("a figure's description and table hold the numbers", () => {
  const results = syntheticResults([0, 1]);
  const frechet = figuresOf(results).metrics[0];
  const last = results.arms[1].runs[1].evaluations.at(-1)!.metrics.frechet;
  assert.match(frechet.description, /Frechet distance by training step, logarithmic scale/);
  assert.match(frechet.description, /Real images: 1\.31/);
  assert.equal(frechet.table.head, [
    "step",
    "SiT, seed 0",
    "SiT, seed 1",
    "SiT + SRA (2 -> 4), seed 0",
    "SiT + SRA (2 -> 4), seed 1",
  ]);
  assert.is(frechet.table.rows.length, 6);
  assert.is(frechet.table.rows[4][4], last.toFixed(2));
});

page("works with one seed", () => {
  const text = render(7);
  assert.match(text, "One seed cannot show");
  assert.match(text, "one seed shows no spread");
  assert.not.match(text, "pill better");
  assert.not.match(text, "pill worse");
});

page("shows values that are not finite as n/a", () => {
  const results = syntheticResults([0, 1]);
  for (const arm of results.arms)
    for (const run of arm.runs)
      for (const evaluation of run.evaluations) evaluation.metrics.frechet = Number.NaN;
  results.realImages.frechet = Number.NaN;
  results.arms[0].runs[0].evaluations[4].metrics.recall = Number.NaN;
  results.arms[1].runs[1].curve.losses.generative[3] = Number.NaN;
  results.featureNetwork.accuracy = Number.NaN;
  results.seconds.total = Number.NaN;
  const text = withoutLibrary(renderReport(results, new Map()));
  assert.not.match(text.replace(/<script>[\s\S]*?<\/script>/g, ""), /NaN|Infinity|undefined/);
  assert.match(text, "n/a");
  assert.match(text, "no value in both arms for 1 seed");
});

page("works without an alignment curve, without a probe, without evaluations, without an arm", () => {
  const results = syntheticResults([0, 1]);
  const align = figuresOf(results).losses[1];
  assert.equal(
    align.arms.map((arm) => arm.label),
    ["SiT + SRA (2 -> 4)"],
  );
  for (const run of results.arms[1].runs) delete run.curve.losses.sra;
  assert.equal(
    figuresOf(results).losses.map((figure) => figure.id),
    ["loss-generative"],
  );
  for (const arm of results.arms) for (const run of arm.runs) for (const e of run.evaluations) e.probe = [];
  assert.not.match(withoutLibrary(renderReport(results, new Map())), 'id="representations"');
  results.arms[1].runs[0].evaluations = [];
  assert.match(renderReport(results, new Map()), "SRA and the baseline could not be compared, because");
  results.arms[0].runs = [];
  assert.match(renderReport(results, new Map()), "no seed has a value in both arms");
  results.arms = [];
  renderReport(results, new Map());
});

page("reads null as not finite and names the field that does not fit", () => {
  const results = syntheticResults([0]);
  results.arms[0].runs[0].evaluations[0].metrics.frechet = Number.NaN;
  assert.ok(
    Number.isNaN(parseResults(JSON.stringify(results)).arms[0].runs[0].evaluations[0].metrics.frechet),
  );
  assert.throws(
    () => parseResults(JSON.stringify({ ...results, format: "ditlab-results/3" })),
    /format should be "ditlab-results\/1" or "ditlab-results\/2"/,
  );
  const broken = JSON.stringify(results).replace('"samples":"samples-baseline-0.png"', '"samples":3');
  assert.throws(() => parseResults(broken), "results.arms[0].runs[0].samples should be text");
  assert.throws(() => parseResults("[]"), "results should be an object");
});

page("reads a file of the first format, whose arms were a baseline and SRA", () => {
  const results = syntheticResults([0, 1]);
  const { probeBlocks, arms, ...rest } = results;
  const first = {
    ...rest,
    format: "ditlab-results/1",
    arms: arms.map(({ name, label, runs }) => ({
      arm: name,
      label,
      runs: runs.map(({ curve: { step, losses }, ...run }) => ({
        ...run,
        curve: { step, generative: losses.generative, align: losses.sra ?? [] },
      })),
    })),
    align: { studentBlock: 2, teacherBlock: 4 },
  };
  assert.equal(parseResults(JSON.stringify(first)), results);
  const other = { ...first, arms: [{ ...first.arms[0], arm: "else" }] };
  assert.throws(
    () => parseResults(JSON.stringify(other)),
    'results.arms[0].arm should be "baseline" or "sra"',
  );
  assert.throws(
    () => parseResults(JSON.stringify({ ...first, align: undefined })),
    "results.align should be",
  );
});

page("the strip draws the interval that decides, not the seeds' range", () => {
  const results = syntheticResults([0, 1, 2]);
  const [measure] = measuresOf(results);
  for (const [arm, values] of [
    [10, 10, 10],
    [11, 12, 16],
  ].entries())
    for (const run of results.arms[arm].runs) run.evaluations.at(-1)!.metrics.frechet = values[run.seed];
  const [pair] = pairsOf(results.arms);
  const finding = compare(results.seeds, pair, measure, finalStep(results), 0.95);
  // Differences of 1, 2 and 6 are all above 0; their interval is 3 +- 4.3027 sqrt(7 / 3).
  assert.is(finding.verdict, "not resolved");
  const { html: text } = strip(finding, { arm: pair.arm, level: 0.95 });
  const x = (name: string): number[] =>
    [...text.matchAll(new RegExp(`class="${name}" x1="([^"]+)" x2="([^"]+)"`, "g"))].flatMap((match) =>
      match.slice(1).map(Number),
    );
  const [zero] = x("zero");
  const [low, high] = x("span").sort((a, b) => a - b);
  const dots = [...text.matchAll(/cx="([^"]+)"/g)].map(([, at]) => Number(at));
  assert.ok(
    dots.every((at) => at < zero),
    "higher is worse, and left, at every seed",
  );
  assert.ok(low < zero && zero < high, "the line holds zero, as the verdict says");
  const reach = 4.302652729911275 * Math.sqrt(7 / 3);
  const scale = (220 / 2 - 9) / (3 + reach);
  assert.ok(
    Math.abs(high - low - 2 * reach * scale) < 0.11 && Math.abs(x("mean")[0] - (zero - 3 * scale)) < 0.06,
  );
  assert.match(text, /95\s% interval: \u22123\.57 to \+9\.57/);
  const page = withoutLibrary(renderReport(results, new Map()));
  assert.match(page, />95\s% interval<\/th>/);
  assert.not.match(page, "Min to max");
});

page("says beside the table how much chance alone would resolve", () => {
  const two = render(0, 1, 2);
  assert.match(
    two,
    /7 measures are compared, each by an interval of 95\s%, not corrected for how many they are: if the arms did not differ at all, chance alone would still resolve about 0\.35 of the 7\. Here \d (is|are) resolved\./,
  );
  assert.ok(two.indexOf("chance alone would still") < two.indexOf('<table class="findings"'));
  const four = withoutLibrary(renderReport(syntheticResults([0, 1, 2], 4), new Map()));
  assert.match(four, /chance alone would still resolve about 0\.30 of the 36\. Here \d+ (is|are) resolved\./);
  assert.not.match(render(0), "chance alone");
});

page("draws nothing over training where runs were measured at their end alone", () => {
  const results = syntheticResults([0, 1, 2]);
  const whole = withoutLibrary(renderReport(results, new Map()));
  for (const { runs } of results.arms)
    for (const run of runs) run.evaluations.splice(0, run.evaluations.length - 1);
  const end = withoutLibrary(renderReport(results, new Map()));
  for (const part of ["Sample quality over training", 'id="metric-frechet"', 'id="probe-step-mean"']) {
    assert.match(whole, part);
    assert.not.match(end, part);
  }
  for (const part of ['id="probe-block-1"', 'id="loss-generative"', "Values at the end"])
    assert.match(end, part);
});

page("says which measure was chosen beforehand, and counts chance for the others", () => {
  const results = {
    ...syntheticResults([0, 1, 2]),
    probeBlocks: [{ block: 2, label: "aligned block 2", planned: true }],
  };
  const text = withoutLibrary(renderReport(results, new Map()));
  assert.match(
    text,
    /not corrected for how many they are\. Apart from the one chosen beforehand, if the arms did not differ at all, chance alone would still resolve about 0\.30 of the 6\./,
  );
  assert.match(text, /Probe accuracy, aligned block 2<small>higher is better; chosen beforehand<\/small>/);
  assert.match(
    text,
    /6 other measures, which depend on each other, are compared here beside what was chosen beforehand/,
  );
  assert.is(text.split("chosen beforehand</small>").length, 2);
});

page("shows one arm without a comparison", () => {
  const text = withoutLibrary(renderReport(syntheticResults([0, 1], 1), new Map()));
  assert.not.match(text, 'id="comparison"');
  assert.not.match(text, 'class="findings"');
  assert.match(text, "One arm is measured, so that nothing is compared.");
  assert.is(text.match(/class="plot"/g)?.length, 10);
});

page("shows each pair of four arms, and how much was compared", () => {
  const text = withoutLibrary(renderReport(syntheticResults([0, 1, 2], 4), new Map()));
  assert.match(text, '<h2 id="comparison-heading">Every pair of arms</h2>');
  assert.is(text.match(/<table class="findings"/g)?.length, 6);
  assert.match(text, "6 pairs of arms by 6 measures are 36 comparisons.");
  assert.match(text, /each interval is of 99\.17\s% \(Bonferroni/);
  assert.is(text.match(/<details class="versus">/g)?.length, 3, "pairs without the first arm are folded");
  assert.is(text.match(/times as long a step as/g)?.length, 6);
  for (let place = 1; place <= 4; place++) assert.match(text, `stroke="var(--arm-${place})"`);
  assert.not.match(text, /undefined|NaN/);
});

/** Of a colour against another (WCAG 2.2). */
function contrast(...colors: [string, string]): number {
  const [bright, dark] = colors
    .map((color) => {
      const [r, g, b] = [1, 3, 5]
        .map((at) => Number.parseInt(color.slice(at, at + 2), 16) / 255)
        .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
    })
    .sort((a, b) => b - a);
  return bright / dark;
}

page("arms of any number look different, with enough contrast in both themes", () => {
  for (const [light, dark] of ARM_COLORS) {
    assert.ok(contrast(light, "#ffffff") >= 3, light);
    assert.ok(contrast(dark, "#1a1d23") >= 3, dark);
  }
  const looks = Array.from({ length: 30 }, (_, place) => lookOf(place));
  assert.is(new Set(looks.map(({ color, symbol }) => `${color} ${symbol}`)).size, 30);
});

page("writes one file with the pictures inside, and says which picture is missing", async () => {
  const folder = await mkdtemp(join(tmpdir(), "ditlab-report-"));
  try {
    const results = syntheticResults([0]);
    const path = await writeSynthetic(folder, results);
    await rm(join(folder, "samples-sra-0.png"));
    const output = join(folder, "report.html");
    await writeReport(path, output);
    const text = withoutLibrary(await readFile(output, "utf8"));
    assert.is(text.match(/<img src="data:image\/png;base64,/g)?.length, 2);
    assert.match(text, 'width="224" height="224"');
    assert.match(text, "picture not found: samples-sra-0.png");
    assert.equal(pngSize((await readImages(results, path)).get("real.png")!), { width: 224, height: 224 });
    await writeFile(join(folder, "real.png"), "not a picture");
    await writeReport(path, output).then(
      () => assert.unreachable(),
      (error: Error) => assert.match(error.message, "not a PNG file: real.png"),
    );
    assert.is(withoutLibrary(await readFile(output, "utf8")), text);
  } finally {
    await rm(folder, { recursive: true });
  }
});

page.run();
