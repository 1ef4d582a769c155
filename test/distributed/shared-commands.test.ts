/** The commands under launchers: who shares work, who is refused, and who speaks. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commandLine } from "../../lib/cli/main.ts";
import { SHARED_COMMANDS, togetherness } from "../../lib/distributed/commands.ts";
import { ditlab } from "../cli/helpers.ts";
import { png, writeFiles } from "../data/images.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { LAUNCHERS, launch } from "./helpers.ts";

/** Those with an option, by their names. */
function commandsWith(option: string, command: Command, path: string[] = []): string[] {
  const own = command.options.some(({ long }) => long === option) ? [path.join(" ")] : [];
  return [
    ...own,
    ...command.commands.flatMap((child) => commandsWith(option, child, [...path, child.name()])),
  ];
}

test("the commands that may be started many times are those that know of ranks", () => {
  assert.equal(commandsWith("--rank-timeout", commandLine()).sort(), [...SHARED_COMMANDS].sort());
  const kinds = (...args: string[]) => togetherness(args).kind;
  assert.is(kinds("prepare", "latents", "a", "b"), "shared");
  assert.is(kinds("prepare", "pictures", "a"), "refused");
  assert.is(kinds("reproduce", "table1"), "refused");
  assert.equal(
    [kinds("worker", "--queue"), kinds("reproduce", "--help"), kinds("--version"), kinds()],
    ["separate", "separate", "separate", "separate"],
  );
});

for (const engine of LAUNCHERS) {
  const run = engine.isInstalled ? test : test.skip;
  const named = (what: string): string =>
    `${engine.name}${engine.isInstalled ? "" : " (not installed)"}: ${what}`;

  run(
    named("a command that is done by one process ends all by one sentence, and touches nothing"),
    async () => {
      const out = join(await temporaryFolder(), "out");
      const { code, stderr } = await launch(engine, 2, ["lib/cli/bin.js", "demo", "--out", out]);
      assert.is.not(code, 0);
      const said = stderr.match(/ditlab: .*/g);
      assert.equal(said, [
        "ditlab: 'demo' is done by one process, but 2 were started; expected it without a launcher such as mpirun",
      ]);
      assert.not.ok(existsSync(out));
    },
  );
}

const openmpi = LAUNCHERS[0];
const run = openmpi.isInstalled ? test : test.skip;

run("ranks crop images as one process, and say so once; what one of them cannot do ends all", async () => {
  const folder = await temporaryFolder();
  const at = (name: string): string => join(folder, name);
  for (let i = 0; i < 9; i++) await writeFiles(at("images"), { [`${i}.png`]: await png(12, 9, i) });
  const prepare = (out: string): string[] => ["prepare", "images", at("images"), at(out), "--size", "8"];
  const one = await ditlab(prepare("one"));
  assert.is(one.code, 0, one.stderr);
  const two = await launch(openmpi, 2, ["lib/cli/bin.js", ...prepare("two")]);
  assert.is(two.code, 0, two.stderr);
  assert.is(two.stdout, `${at("two")}: 9 images\n`);
  for (const name of ["dataset.json", "00000/img00000000.png", "00000/img00000007.png"])
    assert.equal(await readFile(join(at("two"), name)), await readFile(join(at("one"), name)), name);

  // Image 7 is rank 1's.
  await writeFiles(at("one"), { "00000/img00000007.png": await png(4, 4, 1) });
  const shards = ["prepare", "shards", at("one"), at("shards"), "--shard-size", "1"];
  const failed = await launch(openmpi, 2, ["lib/cli/bin.js", ...shards]);
  assert.is.not(failed.code, 0);
  const [said, ...more] = failed.stderr.match(/ditlab: .*/g)!;
  assert.match(
    said,
    /^ditlab: (rank 1: )?00000\/img00000007\.png of .* is \[4, 4, 3\], expected \[8, 8, 3\] as/,
  );
  assert.equal(more, []);
  assert.not.ok(existsSync(join(at("shards"), "index.json")));
});

test.run();
