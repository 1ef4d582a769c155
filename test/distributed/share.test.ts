/** Commands over ranks: what they make together is what one process makes, to the last byte. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { partsOf, shareOut } from "../../lib/distributed/share.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { LAUNCHERS, ranksOf } from "./helpers.ts";
import { doWork, type Work, writeInputs } from "./shared-work.ts";

process.env.DITLAB_THREADS = "1";

/** Every file below a folder. */
async function contents(folder: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const found = await Promise.all(
    paths.sort().map(async (path) => [path.slice(folder.length), await readFile(path)] as const),
  );
  return new Map(found);
}

/** The same files, but for where those of the source lie, which `prepare.json` says. */
function assertSameFiles(
  found: Map<string, Buffer>,
  expected: Map<string, Buffer>,
  own: string,
  other: string,
) {
  assert.equal([...found.keys()], [...expected.keys()]);
  for (const [path, bytes] of expected) {
    const isNote = path.endsWith("/prepare.json");
    const given = isNote ? Buffer.from(found.get(path)!.toString().replaceAll(own, other)) : found.get(path)!;
    assert.ok(given.equals(bytes), path);
  }
}

const inputs = await temporaryFolder();
await writeInputs(inputs);
const alone = await temporaryFolder();
const work: Work = JSON.parse(JSON.stringify(await doWork(inputs, alone, { isWhole: true })));

test("parts do not depend on the ranks: many of them, of whole units", async () => {
  assert.equal(
    partsOf(5, { most: 256 }),
    [0, 1, 2, 3, 4].map((from) => ({ from, count: 1 })),
  );
  const cut = partsOf(1000, { unit: 8, most: 256 });
  assert.equal([cut.length, cut[0].count, cut.at(-1)], [63, 16, { from: 992, count: 8 }]);
  assert.is(partsOf(1_281_167, { unit: 8, most: 256 })[0].count, 256);
  assert.equal(partsOf(0, { most: 4 }), []);
  const made: number[] = [];
  for await (const one of shareOut([3, 4], async (part) => part * 2)) made.push(one);
  assert.equal(made, [6, 8]);
});

for (const engine of LAUNCHERS) {
  const run = engine.isInstalled ? test : test.skip;
  const [size, isWhole] = engine.name === "openmpi" ? [3, true] : [2, false];
  const named = (what: string): string =>
    `${engine.name}${engine.isInstalled ? "" : " (not installed)"}: ${what}`;
  run(named(`${size} ranks prepare, measure and probe as one process, to the last byte`), async () => {
    const out = await temporaryFolder();
    const ends = await ranksOf<{ rank: number; makers: unknown[]; work?: Work }>(
      ...([engine, size, "share-child.ts", { inputs, out, isWhole }] as const),
    );
    const makers = [0, 1, 2, 3, 4, 5, 6].map((part) => [
      part,
      part % size,
      part,
      true,
      true,
      Math.fround(1e-40),
    ]);
    for (const end of ends) assert.equal(end.makers, makers);
    const { features, ...others } = work;
    assert.equal(ends[0].work, { ...others, ...(isWhole && { features }) });
    assertSameFiles(await contents(out), await contents(alone), out, alone);
  });
}

test.run();
