/** Widgets without a kernel: their values, events, limits and texts. */

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { DISPLAY } from "../../../kernel/display/mime.ts";
import { display, toText, ui, widget } from "../../../kernel/index.ts";
import { MODEL } from "../../../kernel/widgets/buffers.ts";
import { staticHtml, staticText } from "../../../kernel/widgets/static.ts";
import { temporaryFolder } from "../../io/helpers.ts";

const stateOf = (one: { [MODEL]: { pack(): { state: Record<string, unknown> } } }) => one[MODEL].pack().state;

test("a slider keeps within its ends and chooses its steps", () => {
  const plain = ui.slider();
  assert.equal([plain.value, stateOf(plain).step, stateOf(plain)._model_name], [0, 0.01, "FloatSliderModel"]);
  const whole = ui.slider({ min: 1, max: 12, value: 99 });
  assert.equal([whole.value, stateOf(whole).step, stateOf(whole)._model_name], [12, 1, "IntSliderModel"]);
  assert.is(stateOf(ui.slider({ min: 0, max: 1000.5 })).step, 10);
  assert.is(stateOf(ui.slider({ max: 0.3 })).readout_format, ".3f");
  const log = ui.slider({ min: 1e-5, max: 0.1, value: 1, scale: "log" });
  assert.equal([log.value, stateOf(log).min, stateOf(log).max], [0.1, -5, -1]);
  assert.throws(() => ui.slider({ min: 2, max: 1 }), /min must be below max, got 2 and 1/);
  assert.throws(() => ui.slider({ step: 0 }), /step must be above 0, got 0/);
  assert.throws(() => ui.slider({ min: 0, max: 1, scale: "log" }), /above 0 on a logarithmic scale/);
  assert.throws(() => {
    whole.value = Number.NaN;
  }, /a finite number expected, got NaN/);
  assert.equal(ui.range({ max: 10, value: [12, -3] }).value, [0, 10]);
});

test("handlers hear what has changed, once, until they stop", () => {
  const slider = ui.slider({ max: 10 });
  const heard: number[] = [];
  const stop = slider.on("change", (value) => heard.push(value));
  slider.value = 3;
  slider.value = 3;
  slider.value = 4;
  stop();
  slider.value = 5;
  assert.equal(heard, [3, 4]);
});

test("a change can be awaited and looped over; closing ends both", async () => {
  const slider = ui.slider({ max: 10 });
  const next = slider.next();
  slider.value = 2;
  assert.is(await next, 2);
  const seen: number[] = [];
  const loop = (async () => {
    for await (const value of slider) seen.push(value);
  })();
  await new Promise(setImmediate);
  // Of those that come while the loop is away it gets the newest.
  for (const value of [3, 4, 5]) slider.value = value;
  await new Promise(setImmediate);
  const last = slider.next();
  slider.close();
  await loop;
  assert.equal(seen, [2, 5]);
  await last.then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /was closed/),
  );
  assert.throws(() => {
    slider.value = 1;
  }, /the widget is closed/);
  await slider.next().then(
    () => assert.unreachable(),
    (error: Error) => assert.match(error.message, /was closed/),
  );
});

test("choices have the values that they are given", () => {
  const letters: "a" | "b" = ui.dropdown({ options: ["a", "b"] }).value;
  const sizes: 1 | 2 = ui.toggles({ options: { small: 1, large: 2 }, value: 2 }).value;
  const objects = [{ n: 1 }, { n: 2 }];
  const chosen = ui.dropdown({ options: objects, value: objects[1] });
  assert.equal([letters, sizes, chosen.value], ["a", 2, { n: 2 }]);
  assert.throws(() => ui.dropdown({ options: [] }), /at least one value/);
  assert.throws(() => {
    chosen.value = { n: 1 };
  }, /one of .* expected/);
});

test("each says what it is in a line, also within other values", () => {
  const row = ui.row(
    ui.slider({ label: "noise", value: 0.5 }),
    ui.checkbox({ label: "on", value: true }),
    ui.button({ label: "Go" }),
  );
  assert.is(toText(row), "noise: 0.5   on: yes   [Go]");
  assert.is(toText([ui.number({ label: "n", value: 2 })]), "[ n: 2 ]");
  assert.is(toText(ui.progress({ label: "done", value: 3, max: 4 })), "done: 3 / 4");
  assert.is(toText(ui.column(ui.html("<b>bold</b>"), ui.label("a < b"))), "bold\na < b");
  const custom = widget({ module: "export default {}", state: { count: 1, list: [1, 2] } });
  assert.is(toText(custom), "count: 1, list: [1,2]");
  assert.equal(custom[DISPLAY](), { "text/plain": "count: 1, list: [1,2]" });
  assert.is(typeof display(custom).id, "string");
});

test("what JupyterLab leaves out of a saved state is known", () => {
  const none = () => undefined;
  const slider = { _model_name: "FloatSliderModel", description: "noise", value: 25 };
  assert.match(staticHtml(slider, none), /<input type="range" min="0" max="1000" value="250"[^>]*disabled>/);
  assert.is(staticText({ _model_name: "IntSliderModel", description: "n" }, none), "n: 0");
  assert.is(staticText({ _model_name: "CheckboxModel", description: "on" }, none), "on: no");
  assert.is(staticText({ _model_name: "LayoutModel" }, none), "");
});

test("a module is a text, a file or an address", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "counter.js");
  const text = "export default { render() {} }";
  await writeFile(file, text);
  for (const module of [text, file, pathToFileURL(file), pathToFileURL(file).href])
    assert.is(stateOf(widget({ module }))._esm, text);
  const address = "https://example.org/counter.js";
  assert.is(stateOf(widget({ module: address }))._esm, address);
  assert.throws(() => widget({ module: join(folder, "none.js") }), /none\.js cannot be read/);
  assert.throws(() => widget({ module: text, state: { _esm: 1 } }), /_esm cannot be a name/);
});

test("a module's state is checked and heard", () => {
  const counter = widget({ module: "export default {}", state: { count: 0, name: "a" } });
  const heard: unknown[] = [];
  counter.on("change:count", (count) => heard.push(count.toFixed(1)));
  counter.on("change", (state) => heard.push(state));
  counter.set("count", 2);
  counter.set({ name: "b" });
  assert.equal(heard, ["2.0", { count: 2, name: "a" }, { count: 2, name: "b" }]);
  assert.is(counter.get("name"), "b");
  // @ts-expect-error: the compiler knows the state's names.
  assert.throws(() => counter.set("other", 1), /the state has count, name, but not other/);
  assert.throws(() => counter.set("count", (() => 1) as never), /cannot hold a function: count/);
  assert.is(counter.get("count"), 2);
});

test.run();
