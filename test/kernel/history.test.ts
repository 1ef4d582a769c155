/** The history of cells, kept over restarts. */
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { historyFolder, openHistory } from "../../kernel/history/history.ts";
import { searchHistory } from "../../kernel/history/search.ts";
import { temporaryFolder } from "../io/helpers.ts";

test("sessions are found again, each by its number", async () => {
  const folder = join(await temporaryFolder(), "history");
  mkdirSync(folder);
  writeFileSync(
    join(folder, "1000000000000-1.jsonl"),
    '{"line":1,"input":"old one"}\n{"line":2,"input":"old two"}\n{"line":3,"inp',
  );
  writeFileSync(join(folder, "1000000000001-1.jsonl"), '{"line":1,"input":"newer"}\nnot JSON\n');
  const history = openHistory(folder);
  history.add(1, "now").output = "5";
  history.add(2, "old one");
  const search = (request: object) => searchHistory(history.sessions(), request);
  assert.equal(search({ hist_access_type: "tail", n: 3 }), [
    [2, 1, "newer"],
    [3, 1, "now"],
    [3, 2, "old one"],
  ]);
  assert.equal(search({ hist_access_type: "range", session: 0, output: true }), [
    [3, 1, ["now", "5"]],
    [3, 2, ["old one", null]],
  ]);
  assert.equal(search({ hist_access_type: "range", session: -1 }), [[2, 1, "newer"]]);
  assert.equal(search({ hist_access_type: "range", session: 1, start: 2 }), [[1, 2, "old two"]]);
  assert.equal(search({ hist_access_type: "range", session: 9 }), []);
  assert.equal(search({ hist_access_type: "search", pattern: "old*", unique: true }), [
    [1, 2, "old two"],
    [3, 2, "old one"],
  ]);
});

test("what is kept is its owner's alone, and bounded", async () => {
  const folder = join(await temporaryFolder(), "deep/history");
  openHistory(folder).add(1, "a\nb");
  const [file] = readdirSync(folder);
  assert.is(readFileSync(join(folder, file), "utf8"), '{"line":1,"input":"a\\nb"}\n');
  if (process.platform !== "win32") {
    assert.is(statSync(join(folder, file)).mode & 0o777, 0o600);
    assert.is(statSync(folder).mode & 0o777, 0o700);
  }
  const long = JSON.stringify({ line: 1, input: "x".repeat(2.5 * 2 ** 20) });
  for (const name of ["1000000000000-1.jsonl", "1000000000001-1.jsonl", "notes.jsonl"])
    writeFileSync(join(folder, name), long);
  assert.is(
    openHistory(folder).sessions().length,
    3,
    "the newest of the long ones, the short one, and this one",
  );
  assert.equal(readdirSync(folder).sort(), ["1000000000001-1.jsonl", file, "notes.jsonl"]);
});

test("a folder that cannot be written, or none, costs nothing but the history", async () => {
  const file = join(await temporaryFolder(), "file");
  writeFileSync(file, "");
  for (const folder of [join(file, "history"), undefined]) {
    const history = openHistory(folder);
    history.add(1, "a");
    assert.equal(history.sessions(), [{ number: 1, entries: [{ line: 1, input: "a" }] }]);
  }
  assert.is(historyFolder({ DITLAB_HISTORY: "off" }), undefined);
  assert.is(historyFolder({ DITLAB_HOME: "/h" }), "/h/history");
  assert.is(historyFolder({ XDG_STATE_HOME: "/s" }), "/s/ditlab/history");
});

test.run();
