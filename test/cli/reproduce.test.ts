/** `ditlab reproduce`: what it lists, plans, refuses, and writes for the paper's scale. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ReproductionPlan } from "../../lib/reproduce/index.ts";
import { checkTrainConfig } from "../../lib/train/index.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { ditlab } from "./helpers.ts";

test("it lists every experiment and row", async () => {
  const { stdout } = await ditlab(["reproduce", "--list"]);
  for (const text of [
    "table1  Table 1: ",
    "    layers-3-8 ",
    "    sit-xl-sra-ep800 ",
    "figure7d  ",
    "methods  ",
  ])
    assert.ok(stdout.includes(text), text);
});

test("what there is not, or not at this scale, is one sentence", async () => {
  for (const [args, message] of [
    [[], /^ditlab: which experiment\? 'ditlab reproduce --list' names all$/m],
    [["table9"], /^ditlab: there is no experiment 'table9'; expected one of table1, table2, /m],
    [["table1", "--rows", "head"], /^ditlab: table1 has no row 'head'; expected some of baseline, /m],
    [
      ["table1", "table6", "--rows", "baseline"],
      /^ditlab: --rows are of one experiment, got table1, table6$/m,
    ],
    [["table3"], /^ditlab: table3 is of weights that the authors released; expected --scale paper$/m],
    [["table1", "--seeds", "0", "--dataset", "mnist"], /^ditlab: --seeds must be 1 or more, got 0$/m],
  ] as const) {
    const { code, stderr } = await ditlab(["reproduce", ...args]);
    assert.is(code, 1, args.join(" "));
    assert.match(stderr, message);
  }
});

test("a plan says what is left, and trains and writes nothing", async () => {
  const out = await temporaryFolder();
  const args = [
    "reproduce",
    "table1",
    "--rows",
    "head-off",
    "--dataset",
    "mnist",
    "--seeds",
    "3",
    "--out",
    out,
  ];
  const { code, stdout } = await ditlab([...args, "--dry-run", "--json"]);
  assert.is(code, 0);
  const plan: ReproductionPlan = JSON.parse(stdout);
  assert.equal(
    plan.runs.map(({ seed, rows }) => [seed, ...rows]),
    [10, 11, 12].flatMap((seed) => [
      [seed, "table1 baseline"],
      [seed, "table1 head-off"],
    ]),
  );
  assert.ok(plan.secondsLeft > 0);
  assert.equal(await readdir(out), []);
});

test("what is of captioned pictures is planned with the rest, on data of its own", async () => {
  const out = await temporaryFolder();
  const args = ["table6", "table2", "--seeds", "1", "--dataset", "mnist", "--out", out];
  const { code, stdout } = await ditlab(["reproduce", ...args, "--dry-run", "--json"]);
  assert.is(code, 0);
  const plan: ReproductionPlan = JSON.parse(stdout);
  assert.equal(
    plan.runs.slice(-2).map(({ rows, config: { model, steps } }) => [...rows, model.type, steps]),
    [
      ["table2 baseline", "mmdit", 6000],
      ["table2 sra", "mmdit", 6000],
    ],
  );
  assert.is(plan.runs.length, 4 + 2);
  assert.is(
    plan.stepsLeft,
    plan.runs.reduce((sum, { config }) => sum + config.steps, 0),
  );
});

test("pictures at the paper's scale are drawn of the runs that figure 2 trains", async () => {
  const args = ["--scale", "paper", "--dry-run", "--json"];
  const [pictures, figure] = await Promise.all(
    ["pictures", "figure2"].map(async (name) =>
      JSON.parse((await ditlab(["reproduce", name, ...args])).stdout),
    ),
  );
  const commands: string[] = pictures.commands;
  for (const name of Object.keys(figure.configs)) {
    assert.equal(pictures.configs[name], figure.configs[name]);
    assert.ok(
      commands.some((line) => line.includes(`probe runs/${name} `) && / --pictures --blocks 4 8 /.test(line)),
    );
    assert.ok(
      commands.some((line) => line.includes(`sample runs/${name} `) && / --grid results\//.test(line)),
    );
  }
});

test("at the paper's scale it writes a script, and configs that its trainings take", async () => {
  const out = await temporaryFolder();
  const { code } = await ditlab(["reproduce", "table1", "table3", "--scale", "paper", "--out", out]);
  assert.is(code, 0);
  const folder = join(out, "paper");
  const script = await readFile(join(folder, "commands.sh"), "utf8");
  const configs = await readdir(join(folder, "configs"));
  assert.is(configs.length, 18);
  for (const name of configs) {
    checkTrainConfig(JSON.parse(await readFile(join(folder, "configs", name), "utf8")));
    assert.ok(script.includes(`--config configs/${name} `), name);
  }
  assert.match(
    script,
    /ditlab sample --checkpoint sitxl-sra-res256-ep800 --model SiT-XL\/2 .* --guidance 1\.8 --guidance-interval 0 0\.7 --count 50000/,
  );
  assert.is(script.match(/ditlab evaluate /g)!.length, 19);
  // Again it is the same.
  assert.is((await ditlab(["reproduce", "table1", "table3", "--scale", "paper", "--out", out])).code, 0);
  assert.is(await readFile(join(folder, "commands.sh"), "utf8"), script);
});

test.run();
