/** The results that ship fit the code that made them: its rows, the paper's values, and what is claimed of them. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  experimentsNamed,
  type Reproduction,
  SMALL_SCALES,
  tauOverSeeds,
} from "../../lib/reproduce/index.ts";
import { markdown } from "../../lib/reproduce/pages.ts";

const folder = join(import.meta.dirname, "../../docs/results");
const files = readdirSync(folder, { recursive: true })
  .map(String)
  .filter((name) => name.endsWith(".json"));
assert.ok(files.length > 0);

for (const file of files)
  test(`${file} has the rows and the paper's values of its experiment, and claims what its values say`, () => {
    const result: Reproduction = JSON.parse(readFileSync(join(folder, file), "utf8"));
    const [experiment] = experimentsNamed(result.experiment, SMALL_SCALES[result.scale as "tiny"]);
    for (const { id, cells } of result.rows) {
      const row = experiment.rows.find((one) => one.id === id);
      assert.ok(row, id);
      for (const { column, paper, values, mean } of cells) {
        assert.is(paper, row!.cells.find((one) => one.column === column)?.paper, `${id} ${column}`);
        // A cost is measured once.
        assert.ok([1, result.seeds.length].includes(values.length));
        assert.ok(Math.abs(mean - values.reduce((sum, value) => sum + value, 0) / values.length) < 1e-9);
      }
    }
    for (const { row, file: picture } of result.pictures ?? []) {
      assert.ok(
        experiment.pictures!.some(({ id }) => id === row),
        row,
      );
      assert.ok(existsSync(join(folder, dirname(file), picture)), picture);
    }
    for (const claim of result.claims) {
      const cells = experiment.claims
        .find(({ id }) => id === claim.id)!
        .cells.map(
          ([row, column]) =>
            result.rows.find(({ id }) => id === row)!.cells.find((cell) => cell.column === column)!,
        );
      const { tau, interval } = tauOverSeeds(
        cells.map(({ paper }) => paper!),
        cells.map(({ values }) => values),
      );
      assert.equal([claim.tau, claim.interval], [tau, interval]);
    }
    assert.is(readFileSync(join(folder, file.replace(/json$/, "md")), "utf8"), markdown(result));
  });

test.run();
