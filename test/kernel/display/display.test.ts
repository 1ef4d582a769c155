/** What values look like, and what display and progress do in a notebook and outside of one. */
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { display } from "../../../kernel/display/display.ts";
import { DISPLAY, type Displayable, toMime, toText } from "../../../kernel/display/mime.ts";
import { progress } from "../../../kernel/display/progress.ts";
import { type MimeBundle, type Sink, setSink } from "../../../kernel/display/sink.ts";
import { tf } from "../../../lib/tensor/index.ts";

type Call = { data: MimeBundle; id?: string; update?: boolean } | { clear: boolean };

/** A notebook that only listens. */
function listening(): { calls: Call[]; shipped: Set<string> } {
  const calls: Call[] = [];
  const shipped = new Set<string>();
  const sink: Sink = {
    notebook: true,
    show: (data, { id, update }) => calls.push({ data, id, update }),
    clear: (clear) => calls.push({ clear }),
    once: (key) => !shipped.has(key) && shipped.add(key) !== undefined,
  };
  setSink(sink);
  return { calls, shipped };
}

test.after.each(() => setSink(undefined));

const bundleOf = async (value: unknown): Promise<MimeBundle> => toMime(value);
const shownBy = (value: Displayable) => value[DISPLAY]();

test("plain values are shown as a console would", async () => {
  for (const [value, text] of [
    [2, "2"],
    ["it's", `"it's"`],
    [[1, 2], "[ 1, 2 ]"],
    [{ a: { b: 1 } }, "{ a: { b: 1 } }"],
    [10n, "10n"],
    [Symbol("s"), "Symbol(s)"],
    [new Map([[1, 2]]), "Map(1) { 1 => 2 }"],
  ] as const)
    assert.equal(await bundleOf(value), { "text/plain": text });
  assert.match(String((await bundleOf(new TypeError("no")))["text/plain"]), /^TypeError: no\n/);
});

test("nothing that a value does when it is shown can break the kernel", async () => {
  const trap = () => {
    throw new Error("trap");
  };
  const hostile = [
    new Proxy({}, { get: trap, ownKeys: trap, getPrototypeOf: trap }),
    { [Symbol.for("nodejs.util.inspect.custom")]: trap },
    { [DISPLAY]: trap },
    { [DISPLAY]: () => Promise.reject(new Error("later")) },
    { [DISPLAY]: () => 5 },
    { shape: [1], dtype: "x", toString: trap },
    {
      get shape() {
        return trap();
      },
    },
    Object.create(null),
    new (class extends Error {
      override get stack(): string {
        return trap() as never;
      }
    })(),
  ];
  for (const value of hostile) {
    const bundle = await bundleOf(value);
    assert.type(bundle["text/plain"], "string");
  }
  assert.match(String((await bundleOf(hostile[2]))["text/plain"]), /showing it failed: trap/);
});

test("huge values are cut", () => {
  assert.ok(toText("x".repeat(5_000_000)).length < 110_000);
  assert.ok(toText(new Array(1e6).fill(1)).length < 10_000);
});

test("rows are shown as a table, in text and in HTML", async () => {
  const bundle = await bundleOf([
    { name: "<a>", loss: 0.5 },
    { name: "b", extra: null },
  ]);
  assert.match(String(bundle["text/plain"]), /│ 0 .*│ '<a>' │ 0\.5/);
  assert.match(String(bundle["text/html"]), /&#60;a&#62;/);
  assert.match(String(bundle["text/html"]), /<th[^>]*>extra<\/th>/);
  const long = await bundleOf(Array.from({ length: 250 }, (_, i) => ({ i })));
  assert.match(String(long["text/html"]), /… 150 more rows/);
  assert.match(String(long["text/plain"]), /… 150 more rows/);
  assert.is((await bundleOf([{ a: { deep: 1 } }]))["text/html"], undefined);
  assert.match(
    String(
      (
        await bundleOf([
          [1, 2],
          [3, 4],
        ])
      )["text/html"],
    ),
    /<td[^>]*>3<\/td>/,
  );
});

test("images come as bytes, sharp objects and pixels", async () => {
  const image = sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } });
  const png = await image.png().toBuffer();
  const sizeOf = async (bundle: MimeBundle) => {
    const { width, height } = await sharp(Buffer.from(String(bundle["image/png"]), "base64")).metadata();
    return [width, height];
  };
  assert.equal(await sizeOf(await bundleOf(png)), [3, 2]);
  assert.equal(await sizeOf(await bundleOf(image)), [3, 2]);
  const pixels = { width: 2, height: 2, data: new Uint8ClampedArray(16).fill(255) };
  assert.equal(await sizeOf(await bundleOf(pixels)), [2, 2]);
  assert.equal(await sizeOf(await shownBy(display.image(pixels))), [2, 2]);
  assert.ok("image/jpeg" in (await bundleOf(await image.jpeg().toBuffer())));
  assert.ok(!("image/png" in (await bundleOf(new Uint8Array(10)))));
  assert.match(
    String((await bundleOf(display.image(new Uint8Array(4))))["text/plain"]),
    /PNG, JPEG, GIF, WebP or SVG bytes expected/,
  );
});

test("tensors are readable, the library's and any other's", async () => {
  assert.match(String((await bundleOf(tf.tensor1d([1, 3])))["text/plain"]), /^Tensor float32 \[2\] · min 1/);
  const other = { shape: [2], dtype: "float16", toString: () => "Tensor\n    [1, 2]" };
  assert.is((await bundleOf(other))["text/plain"], "Tensor float16 [2]\n    [1, 2]");
});

test("makers give every representation and text beside it", async () => {
  assert.equal(await shownBy(display.html`<b>${1 + 1}</b>`), { "text/html": "<b>2</b>", "text/plain": "2" });
  assert.equal(await shownBy(display.markdown("*m*")), { "text/markdown": "*m*", "text/plain": "*m*" });
  assert.is((await shownBy(display.latex("x^2")))["text/latex"], "$$x^2$$");
  assert.is((await shownBy(display.latex`\frac{1}{2}`))["text/latex"], "$$\\frac{1}{2}$$");
  assert.is((await shownBy(display.latex("$a$")))["text/latex"], "$a$");
  assert.equal((await shownBy(display.json({ a: 1 })))["application/json"], { a: 1 });
  assert.equal(await shownBy(display.mime({ "x/y": "z" })), { "x/y": "z" });
});

test("display shows in order, updates in place and clears", async () => {
  const { calls } = listening();
  const shown = display("one", { id: "d" });
  display(2);
  shown.update(display.html("<i>three</i>"));
  display.clear({ wait: true });
  await shown.shown;
  assert.equal(
    calls.slice(0, 2).map((call) => "data" in call && call.data["text/plain"]),
    ["one", "2"],
  );
  assert.equal(calls[2], {
    data: { "text/html": "<i>three</i>", "text/plain": "three" },
    id: "d",
    update: true,
  });
  assert.equal(calls[3], { clear: true });
});

test("plotly is shipped once, before the first figure, in an output of its own", async () => {
  const { calls } = listening();
  for (let i = 0; i < 2; i++) display(display.plot([{ y: [1] }]));
  const pages = calls.map((call) => ("data" in call ? String(call.data["text/html"]) : ""));
  assert.equal(
    pages.map((page) => page.length > 500_000),
    [true, false, false],
  );
});

test("a figure that the small plotly does not draw brings the whole one, once", () => {
  const { calls } = listening();
  const surface = {
    type: "surface",
    z: [
      [1, 2],
      [3, 4],
    ],
  };
  for (const trace of [{ y: [1] }, surface, surface]) display(display.plot([trace]));
  const sizes = calls.map((call) => ("data" in call ? String(call.data["text/html"]).length : 0));
  assert.equal(
    sizes.map((size) => (size > 2_000_000 ? "whole" : size > 500_000 ? "small" : "figure")),
    ["small", "figure", "whole", "figure", "figure"],
  );
  assert.ok(sizes[0] < 750_000, `${sizes[0]} characters`);
});

test("titles of figures and axes may be texts; a page wraps the title of the figure itself", async () => {
  listening();
  const layout = {
    title: "Loss <i>by</i> step<br>of a run",
    xaxis: "step",
    yaxis: { title: "loss", range: [0, 1] },
  };
  const bundle = await shownBy(display.plot([{ y: [1] }], layout));
  const figure = bundle["application/vnd.plotly.v1+json"] as {
    layout: Record<string, { text?: string; title?: unknown }>;
  };
  assert.equal(figure.layout.title, { text: layout.title });
  assert.equal(figure.layout.xaxis.title, { text: "step" });
  assert.equal(figure.layout.yaxis.title, { text: "loss" });
  assert.equal((figure.layout.yaxis as { range?: unknown }).range, [0, 1]);
  const page = String(bundle["text/html"]);
  assert.match(page, />Loss by step<br>of a run<\/p>/);
  assert.not.match(page, /"title":\{"text":"Loss/);
});

test("frames are the traces of all values, of which a slider shows one's", async () => {
  listening();
  const traces = (power: number) => [{ y: [1, 2, 3].map((x) => x ** power), name: `x^${power}` }];
  const still = [{ y: [0, 0, 0], name: "zero" }];
  const bundle = await shownBy(
    display.frames({ label: "power", values: [1, 2], traces, still, start: 1 }, { title: "Powers" }),
  );
  const { data, layout } = bundle["application/vnd.plotly.v1+json"] as {
    data: { name: string; visible: boolean }[];
    layout: { sliders: { active: number; steps: { label: string; args: unknown }[] }[] };
  };
  assert.equal(
    data.map(({ name, visible }) => [name, visible]),
    [
      ["zero", true],
      ["x^1", false],
      ["x^2", true],
    ],
  );
  const [{ active, steps }] = layout.sliders;
  assert.is(active, 1);
  assert.equal(
    steps.map(({ label, args }) => [label, args]),
    [
      ["1", ["visible", [true, true, false]]],
      ["2", ["visible", [true, false, true]]],
    ],
  );
  assert.throws(
    () => display(display.frames({ label: "x", values: [], traces })),
    "display.frames: start must be the index of one of the 0 values, got 0",
  );
});

test("figures hold their data as JSON, and end no script early", async () => {
  listening();
  const trace = { x: Float32Array.of(1, 2), y: [Number.NaN, 3], name: "</script><b>" };
  const bundle = await shownBy(display.plot([trace], { title: { text: "T" } }));
  const page = String(bundle["text/html"]);
  assert.is(page.match(/<\/script>/g)?.length, 1);
  assert.not.match(page, /https?:\/\//);
  const figure = bundle["application/vnd.plotly.v1+json"] as { data: { x: number[]; y: unknown[] }[] };
  assert.equal(figure.data[0].x, [1, 2]);
  assert.equal(figure.data[0].y, [null, 3]);
  assert.is(bundle["text/plain"], 'Figure "T": scatter');
});

test("numbers of one type go into a figure in base64, with their shape", async () => {
  listening();
  const y = Float32Array.from({ length: 20 }, (_, i) => i / 3);
  const z = { shape: [4, 5], data: y };
  const tensor = { shape: [20], dataSync: () => Int32Array.from(y), arraySync: () => [] };
  const trace = {
    y,
    z,
    x: tensor,
    marker: { size: Uint8Array.from(y) },
    short: y.subarray(0, 2),
    list: [0.5, null],
  };
  const bundle = await shownBy(display.plot([trace]));
  const { data } = bundle["application/vnd.plotly.v1+json"] as {
    data: Record<string, Record<string, string>>[];
  };
  const floats = Buffer.from(y.buffer).toString("base64");
  assert.equal(data[0].y, { dtype: "f4", bdata: floats });
  assert.equal(data[0].z, { dtype: "f4", bdata: floats, shape: "4, 5" });
  assert.is(data[0].x.dtype, "i4");
  assert.is((data[0].marker as unknown as { size: { dtype: string } }).size.dtype, "u1");
  assert.equal([...Buffer.from(data[0].x.bdata, "base64")].slice(12, 16), [1, 0, 0, 0]);
  assert.equal(data[0].short, [0, 0.333333] as never);
  assert.equal(data[0].list, [0.5, null] as never);
  // A view of a part of memory is that part alone.
  const part = await shownBy(display.plot([{ y: y.subarray(4) }]));
  const figure = part["application/vnd.plotly.v1+json"] as typeof bundle & {
    data: { y: { bdata: string } }[];
  };
  assert.is(figure.data[0].y.bdata, Buffer.from(y.slice(4).buffer).toString("base64"));
});

test("a figure waits for numbers that lie on a GPU", async () => {
  const { calls } = listening();
  const data = Float32Array.from({ length: 20 }, (_, i) => i);
  const onGpu = (numbers: Float32Array) => ({
    shape: [numbers.length],
    dataSync() {
      throw new Error("the numbers come asynchronously");
    },
    data: async () => numbers,
  });
  await display(display.plot([{ y: onGpu(data), x: onGpu(data.subarray(0, 2)) }])).shown;
  const shown = calls.map((call) =>
    "data" in call ? call.data["application/vnd.plotly.v1+json"] : undefined,
  );
  const figure = shown.findLast((one) => one !== undefined) as { data: Record<string, unknown>[] };
  assert.equal(figure.data[0].y, { dtype: "f4", bdata: Buffer.from(data.buffer).toString("base64") });
  assert.equal(figure.data[0].x, [0, 1]);
});

test("pictures of some values are shown one at a time", async () => {
  listening();
  const png = (text: string) => display.mime({ "image/png": text, "text/plain": text });
  const bundle = await shownBy(
    display.frames(
      { label: "t", values: [0, 0.5], image: (t) => png(`p${t}`), start: 1 },
      { title: "Ways & means" },
    ),
  );
  const page = String(bundle["text/html"]);
  assert.match(page, /Ways &(amp|#38); means/);
  assert.match(page, /<img alt="t = 0" src="data:image\/png;base64,p0" style="[^"]*display:none">/);
  assert.match(page, /<img alt="t = 0.5" src="data:image\/png;base64,p0.5" style="max-width:100%;">/);
  assert.match(page, /<output>t = 0.5<\/output>/);
  assert.is(bundle["image/png"], "p0.5", "for what shows no HTML");
  assert.is(bundle["text/plain"], "Pictures by t: 0, 0.5");
  const none = display.frames({ label: "t", values: [1], image: () => display.markdown("no") });
  const failed = await Promise.resolve(shownBy(none)).then(String, ({ message }: Error) => message);
  assert.is(failed, "display.frames: the image of t = 1 must be shown as a PNG, such as a grid of images");
});

test("a bar in a notebook is updated in place, at its end for certain", async () => {
  const { calls } = listening();
  let sum = 0;
  for (const value of progress([1, 2, 3], { label: "adding", unit: "numbers" })) sum += value;
  assert.is(sum, 6);
  const bars = calls.filter((call) => "data" in call);
  assert.not.ok(bars[0].update);
  assert.ok(bars.slice(1).every(({ update, id }) => update && id === bars[0].id));
  assert.match(String(bars.at(-1)!.data["text/plain"]), /^adding · 3 \/ 3 numbers \(100 %\)/);
  assert.match(String(bars.at(-1)!.data["text/html"]), /width:100%/);
  assert.ok(bars.length <= 4);
});

test("a bar follows asynchronous iterables, counts by hand, and ends when a loop is left", async () => {
  const { calls } = listening();
  async function* numbers() {
    yield* [1, 2, 3];
  }
  for await (const value of progress(numbers(), { total: 3 })) if (value === 2) break;
  const texts = () => calls.flatMap((call) => ("data" in call ? [String(call.data["text/plain"])] : []));
  assert.match(texts().at(-1)!, /^1 \/ 3 it \(33 %\)/);
  const bar = progress(10, { label: "by hand" });
  bar.update(4, "<note>");
  bar.done();
  assert.match(texts().at(-1)!, /^by hand · 4 \/ 10 it \(40 %\).*<note>$/);
  assert.not.match(String((calls.at(-1) as { data: MimeBundle }).data["text/html"]), /<note>/);
});

test("outside of a notebook display prints and a bar is a line", async () => {
  const { execFile } = await import("node:child_process");
  const { promisify } = await import("node:util");
  const script = `
    import { display, progress } from "${new URL("../../../kernel/index.ts", import.meta.url).href}";
    display(display.html("<b>bold</b>")); display({ a: 1 });
    for (const x of progress([1, 2], { label: "work" }));`;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [
    ...["--import", import.meta.resolve("tsx"), "--input-type=module", "--eval", script],
  ]);
  assert.is(stdout, "bold\n{ a: 1 }\n");
  assert.match(stderr, /^work · 2 \/ 2 it \(100 %\).*\n$/);
});

test.run();
