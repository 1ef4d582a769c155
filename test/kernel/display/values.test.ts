/** What the display does with values that are large, late or of an unusual kind. */
import { AsyncLocalStorage } from "node:async_hooks";
import sharp from "sharp";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { display } from "../../../kernel/display/display.ts";
import { installGlobals } from "../../../kernel/display/globals.ts";
import { toJson } from "../../../kernel/display/json.ts";
import { DISPLAY, type Displayable, toMime, toText } from "../../../kernel/display/mime.ts";
import { progress } from "../../../kernel/display/progress.ts";
import { type MimeBundle, type Sink, setSink } from "../../../kernel/display/sink.ts";
import { ndarray } from "../../../lib/io/index.ts";
import { tf } from "../../../lib/tensor/index.ts";

type Call = { data: MimeBundle; id?: string; update?: boolean };

/** A notebook that only listens, and waits for what takes time. */
function listening(): { calls: Call[]; waits: Promise<void>[] } {
  const calls: Call[] = [];
  const waits: Promise<void>[] = [];
  const sink: Sink = {
    notebook: true,
    show: (data, { id, update }) => calls.push({ data, id, update }),
    clear: () => {},
    once: () => false,
    wait: (work) => waits.push(work),
  };
  setSink(sink);
  return { calls, waits };
}

test.after.each(() => setSink(undefined));

const textOf = async (value: unknown): Promise<string> => String((await toMime(value))["text/plain"]);
const htmlOf = async (value: unknown): Promise<string> => String((await toMime(value))["text/html"]);
const shownBy = (value: Displayable) => value[DISPLAY]();

test("however values are nested, their text stays short and comes soon", () => {
  const cube = (depth: number): unknown => (depth === 0 ? 1 : new Array(100).fill(cube(depth - 1)));
  for (const value of [
    cube(5),
    new Map(Array.from({ length: 200_000 }, (_, i) => [i, cube(1)])),
    new Set(Array.from({ length: 200_000 }, (_, i) => i)),
    new Array(10_000_000),
    new Float64Array(10_000_000),
    new Array(100).fill("x".repeat(1_000_000)),
    { text: "y".repeat(100_000_000) },
  ])
    assert.ok(toText(value).length < 120_000);
  const circle: Record<string, unknown> = { many: new Array(100).fill(0) };
  circle.self = circle;
  assert.match(toText(circle), /\[Circular \*1\]/);
});

test("of an object with very many keys the first are shown, getters uncalled", () => {
  const large = Object.fromEntries(Array.from({ length: 300_000 }, (_, i) => [`key${i}`, i]));
  Object.defineProperty(large, "key5", {
    enumerable: true,
    get: () => assert.unreachable("a getter was called"),
  });
  const text = toText(large);
  assert.match(text, /key4: 4,\n\s+key5: \[Getter\]/);
  assert.match(text, /… 299900 more properties$/);
  assert.not.match(text, /key100:/);
  class Model {
    constructor() {
      for (let i = 0; i < 200; i++) Object.assign(this, { [`w${i}`]: i });
    }
  }
  assert.match(toText(new Model()), /^Model \{/);
});

test("small values are whole: four levels, and what lies below by name", () => {
  assert.is(
    toText({ a: { b: { c: { d: { e: { f: 1 } } } } } }),
    "{\n  a: {\n    b: { c: { d: { e: [Object] } } }\n  }\n}",
  );
});

test("errors show their causes", async () => {
  const text = await textOf(new Error("outer", { cause: new RangeError("inner") }));
  assert.match(text, /^Error: outer\n[\s\S]*RangeError: inner/);
});

test("promises and timers hide what async_hooks keeps on them", async () => {
  await new AsyncLocalStorage().run({ secret: "request" }, async () => {
    assert.is(await textOf({ p: Promise.resolve(5) }), "{ p: Promise { 5 } }");
    const timer = setTimeout(() => {}, 0);
    assert.not.match(await textOf([timer]), /secret|kResourceStore|async_id/);
    clearTimeout(timer);
  });
});

test("a map to rows is a table with its keys as names", async () => {
  const rows = new Map([
    ["euler", { steps: 10, error: 0.5 }],
    ["heun", { steps: 5, error: 0.25 }],
  ]);
  assert.match(await textOf(rows), /│ euler\s+│ 10\s+│ 0\.5/);
  assert.match(await htmlOf(rows), />heun<\/th><td[^>]*>5<\/td>/);
});

test("tables cut long cells and many columns, and say what is missing", async () => {
  const wide = [Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`c${i}`, i]))];
  assert.match(await htmlOf(wide), /… 10 more columns/);
  assert.match(await textOf(wide), /… 10 more columns/);
  const long = await toMime([{ a: "z".repeat(100_000_000), b: 1 }]);
  assert.ok(String(long["text/html"]).length < 3000);
  assert.ok(String(long["text/plain"]).length < 3000);
  const rows = [new Array(10_000_000).fill(1), new Array(10_000_000).fill(2)];
  assert.is((await toMime(rows))["text/html"], undefined);
});

test("fractions in tables have six digits, all of them in a title", async () => {
  const page = await htmlOf([{ x: 0.1 + 0.2, n: 123456789, nan: Number.NaN, big: 2n ** 70n }]);
  assert.match(page, /text-align:right" title="0\.30000000000000004">0\.3</);
  assert.match(page, />123456789</);
  assert.match(page, />NaN</);
  assert.match(page, />1180591620717411303424n</);
});

test("rows with getters and empty lists are no tables", async () => {
  const hostile = {
    get a() {
      return assert.unreachable("a getter was called");
    },
  };
  for (const value of [[hostile], [], new Map(), [{}], [[]], [1, [2]]])
    assert.is((await toMime(value))["text/html"], undefined);
});

test("SVG bytes are an image, as text", async () => {
  for (const text of [
    `<svg xmlns="http://www.w3.org/2000/svg"/>`,
    `<?xml version="1.0"?>\n<!-- made -->\n<!DOCTYPE svg>\n<svg/>`,
  ])
    assert.is((await toMime(Buffer.from(text)))["image/svg+xml"], text);
  assert.is((await toMime(Buffer.from("<html><svg/></html>")))["image/svg+xml"], undefined);
});

test("an image is laid out as asked, and its sharp object left as it was", async () => {
  const image = sharp({ create: { width: 3, height: 2, channels: 3, background: "red" } }).jpeg();
  const bundle = await shownBy(display.image(image, { width: 30, alt: `a "red" one` }));
  assert.match(
    String(bundle["text/html"]),
    /^<img alt="a &#34;red&#34; one" width="30" src="data:image\/png;base64,iVBOR/,
  );
  assert.is(bundle["text/plain"], 'a "red" one');
  assert.ok("image/png" in (await shownBy(display.image(image, {}))));
  assert.is((await sharp(await image.toBuffer()).metadata()).format, "jpeg");
});

const later = (text: string, milliseconds: number, failing = false): Displayable => ({
  async [DISPLAY]() {
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    if (failing) throw new Error(text);
    return { "text/plain": text };
  },
});

test("what takes time keeps its place among the outputs, and the cell waits for it", async () => {
  const { calls, waits } = listening();
  const first = display(later("first", 20));
  display("second");
  display(later("third", 0));
  assert.is(waits.length, 3 - 1);
  await Promise.all(waits);
  const places = calls.filter(({ update }) => !update).map(({ id }) => id);
  assert.is(places.length, 3);
  assert.is(places[0], first.id);
  const final = new Map(calls.map(({ id, data }) => [id, data["text/plain"]]));
  assert.equal(
    places.map((id) => final.get(id)),
    ["first", "second", "third"],
  );
});

test("what comes late does not replace what was shown after it", async () => {
  for (const newer of ["newer", later("newer", 0)]) {
    const { calls } = listening();
    const shown = display(later("old", 30));
    const updated = shown.update(newer);
    await Promise.all([shown.shown, updated.shown]);
    assert.is(calls.at(-1)!.data["text/plain"], "newer");
  }
});

test("a failure while something is made is said in its place", async () => {
  const { calls } = listening();
  await display(later("no ink", 0, true)).shown;
  assert.match(String(calls.at(-1)!.data["text/plain"]), /showing it failed: no ink/);
  assert.ok(calls.at(-1)!.update);
});

test("outside of a notebook what takes time is printed when it is ready", async () => {
  const texts: unknown[] = [];
  setSink({ notebook: false, show: (data) => texts.push(data["text/plain"]), clear() {}, once: () => false });
  const shown = display(later("ready", 0));
  assert.equal(texts, []);
  await shown.shown;
  assert.equal(texts, ["ready"]);
});

test("what display returns shows nothing itself, and no empty output is made", async () => {
  const { calls } = listening();
  const shown = display("once");
  assert.equal(await toMime(shown), {});
  display(shown);
  display(display.mime({}));
  assert.is(calls.length, 1);
});

test("templates are taken as written; what is put into HTML is escaped", async () => {
  const html = await shownBy(display.html`<b>${"a < b & c"}</b><script>1</script>`);
  assert.equal(html, {
    "text/html": "<b>a &#60; b &#38; c</b><script>1</script>",
    "text/plain": "a < b & c",
  });
  const { "text/markdown": markdown } = await shownBy(display.markdown`$\alpha$ \`code\` \${x} ${{ a: 1 }}`);
  assert.is(markdown, "$\\alpha$ `code` $" + "{x} { a: 1 }");
  const { "text/latex": formula } = await shownBy(display.latex`\nu_{${1}}`);
  assert.is(formula, "$$\\nu_{1}$$");
  assert.is((await shownBy(display.html("a&nbsp;&lt;&eacute;")))["text/plain"], "a <&eacute;");
  assert.is((await shownBy(display.svg("<svg/>")))["image/svg+xml"], "<svg/>");
});

test("JSON has lists for arrays of any kind, and null for what is no number", () => {
  const value = {
    typed: Int16Array.of(1, 2),
    buffer: Buffer.from([3]),
    big: BigInt64Array.of(4n),
    tensor: tf.tensor2d([
      [1, 2],
      [3, 4],
    ]),
    array: ndarray(Float32Array.of(1, Number.NaN, 3, 4, 5, 6), [2, 3]),
    scalar: ndarray(Float32Array.of(7), []),
    set: new Set([1]),
    map: new Map([["k", 1n]]),
    bad: [Number.POSITIVE_INFINITY, undefined],
    date: new Date(0),
    huge: 2n ** 80n,
  };
  assert.equal(JSON.parse(toJson(value)), {
    typed: [1, 2],
    buffer: [3],
    big: [4],
    tensor: [
      [1, 2],
      [3, 4],
    ],
    array: [
      [1, null, 3],
      [4, 5, 6],
    ],
    scalar: 7,
    set: [1],
    map: { k: 1 },
    bad: [null, null],
    date: "1970-01-01T00:00:00.000Z",
    huge: "1208925819614629174706176",
  });
  assert.is(toJson(undefined), "null");
  const numbers = [Math.fround(0.1), 12345678901234, Number.NaN, -1e-20 / 3];
  assert.is(toJson(numbers, 9), "[0.100000001,12345678901234,null,-3.33333333e-21]");
  assert.is(toJson(Float32Array.of(0.1)), "[0.1]");
  const circle: unknown[] = [];
  circle.push(circle);
  assert.throws(() => toJson(circle), /circular/i);
});

test("whole numbers stand in tables as they are", async () => {
  const page = await htmlOf([{ a: 1105873, b: 2 ** 53 - 1, c: 1105873.25, d: 0.123456789, e: -12345678.9 }]);
  for (const number of ["1105873", "9007199254740991", "0.123457"])
    assert.ok(page.includes(`>${number}</td>`), number);
  assert.match(page, /title="1105873\.25">1105873</, "what stands before the point is whole");
  assert.match(page, /title="-12345678\.9">-12345679</);
});

interface Bundle {
  "text/html": string;
  "application/vnd.plotly.v1+json": {
    data: unknown;
    layout: { sliders?: unknown };
    frames?: { name: string; data?: { y: { dtype: string } }[] }[];
  };
}

test("a figure keeps plotly's frames and sliders", async () => {
  const frames = [
    { name: "one", data: [{ y: Float32Array.from({ length: 20 }, (_, i) => i) }] },
    { name: "two", layout: {} },
  ];
  const sliders = [{ steps: [{ label: "one", method: "animate", args: [["one"]] }] }];
  const traces = [{ y: [1, 2] }];
  const [byPlace, byName] = [
    display.plot(traces, { sliders }, {}, frames),
    display.plot({ data: traces, layout: { sliders }, frames }),
  ].map((figure) => figure[DISPLAY]() as unknown as Bundle);
  assert.equal(byPlace, byName);
  const figure = byName["application/vnd.plotly.v1+json"];
  assert.equal(figure.layout.sliders, sliders);
  assert.equal(
    figure.frames!.map(({ name }) => name),
    ["one", "two"],
  );
  assert.is(figure.frames![0].data![0].y.dtype, "f4");
  assert.equal(figure.data, [{ y: [1, 2] }]);
  assert.match(byName["text/html"], /"frames":\[\{"name":"one"/);
  const plain = display.plot(traces)[DISPLAY]() as unknown as Bundle;
  assert.is(plain["application/vnd.plotly.v1+json"].frames, undefined);
});

test("a figure without a list of traces is refused in words", async () => {
  assert.match(await textOf(display.plot({ x: [1] } as never)), /a list of traces expected, got object/);
});

test("figures keep their colours where they name any, and the same figure is the same text", async () => {
  const make = () => shownBy(display.plot([{ y: [1] }], { font: { size: 9 }, xaxis2: { gridcolor: "red" } }));
  const { layout } = (await make())["application/vnd.plotly.v1+json"] as {
    layout: Record<string, Record<string, unknown>>;
  };
  assert.equal(layout.font, { color: "#808080", size: 9 });
  assert.is(layout.xaxis2.gridcolor, "red");
  assert.ok(layout.yaxis.gridcolor);
  assert.is(layout.height, 450);
  assert.equal(await make(), await make());
});

const bars = (calls: Call[]) => calls.map(({ data }) => String(data["text/plain"]));

test("a bar that is left early says so, one without a total counts", async () => {
  const { calls } = listening();
  for (const value of progress([1, 2, 3])) if (value === 2) break;
  assert.match(bars(calls).at(-1)!, /^1 \/ 3 it \(33 %\) .*stopped/);
  const failing = () => {
    for (const _ of progress(new Set([1, 2]))) throw new Error("in the loop");
  };
  assert.throws(failing, "in the loop");
  assert.match(bars(calls).at(-1)!, /^0 \/ 2 it \(0 %\) .*stopped/);
  function* endless() {
    for (let i = 0; ; i++) yield i;
  }
  for (const value of progress(endless(), { unit: "images" })) if (value === 7) break;
  assert.match(bars(calls).at(-1)!, /^7 images · 0:00 · /);
  assert.not.match(bars(calls).at(-1)!, /stopped/);
  for (const _ of progress([])) assert.unreachable();
  assert.match(String(calls.at(-1)!.data["text/html"]), /width:100%/);
});

test("a bar counted by hand is full when all is done, and stays as it ended", () => {
  const { calls } = listening();
  const bar = progress(1000);
  for (let i = 1; i <= 1000; i++) bar.update(i, `step ${i}`);
  assert.match(bars(calls).at(-1)!, /^1000 \/ 1000 it \(100 %\) .*step 1000$/);
  bar.done("best 0.5");
  bar.update(3);
  bar.done();
  assert.match(bars(calls).at(-1)!, /^1000 \/ 1000 it \(100 %\) .*best 0\.5$/);
  assert.ok(calls.length < 100, `${calls.length} pictures of the bar`);
});

test("in a terminal a bar is one line, whatever its label says", () => {
  const [{ isTTY }, { write }] = [process.stderr, process.stderr];
  let text = "";
  process.stderr.isTTY = true;
  process.stderr.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    for (const _ of progress([1, 2], { label: "{bar} of mine" }));
  } finally {
    process.stderr.isTTY = isTTY;
    process.stderr.write = write;
  }
  assert.match(text, /\{bar\} of mine .*2 \/ 2 it \(100 %\)/);
});

test("blobs, elements and tables by columns are shown as what they are", async () => {
  const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: "red" } })
    .png()
    .toBuffer();
  const image = await toMime(new Blob([png], { type: "image/png" }));
  assert.is(image["image/png"], png.toString("base64"));
  assert.equal(await toMime(new Blob(["<b>x</b>"], { type: "text/html; charset=utf-8" })), {
    "text/plain": "Blob text/html, 8 bytes",
    "text/html": "<b>x</b>",
  });
  assert.equal(await toMime(new Blob(["no image"], { type: "image/png" })), {
    "text/plain": "Blob image/png, 8 bytes",
  });
  assert.equal(await toMime(new Blob([new Uint8Array(3)])), { "text/plain": "Blob of no type, 3 bytes" });
  assert.is((await toMime({ nodeType: 1, outerHTML: "<svg></svg>" }))["text/html"], "<svg></svg>");
  // As Apache Arrow's tables are.
  const columns = { name: ["a", "b"], value: [1, 2.5] };
  const table = {
    numRows: 250,
    schema: { fields: [{ name: "name" }, { name: "value" }] },
    get: (i: number) => ({ name: columns.name[i % 2], value: columns.value[i % 2] }),
  };
  const shown = await toMime(table);
  assert.match(
    String(shown["text/html"]),
    /<th[^>]*>name<\/th><th[^>]*>value<\/th>[\s\S]*2\.5[\s\S]*150 more rows/,
  );
  assert.match(String(shown["text/plain"]), /name[\s\S]*'a'[\s\S]*150 more rows/);
});

test("a map to single values is a table, and a long typed array says its range", async () => {
  const map = await toMime(
    new Map<unknown, unknown>([
      ["loss", 0.5],
      ["epoch", 3],
    ]),
  );
  assert.match(String(map["text/html"]), />loss<\/th><td[^>]*>0\.5<[\s\S]*>epoch<\/th><td[^>]*>3</);
  const numbers = Float32Array.from({ length: 200 }, (_, i) => i);
  const text = async (value: unknown) => String((await toMime(value))["text/plain"]);
  assert.match(await text(numbers), /100 more items\n\]\nleast 0, greatest 199, mean 99\.5$/);
  numbers[0] = Number.NaN;
  assert.match(await text(numbers), /least 1, greatest 199, mean 100, 1 not finite$/);
  assert.match(await text(new Float64Array(200).fill(Number.NaN)), /\nno finite numbers$/);
  assert.not.match(await text(Float32Array.of(1, 2)), /least/);
  assert.not.match(await text(new BigInt64Array(200)), /least/);
});

test("cells have the globals", async () => {
  const asked: unknown[] = [];
  installGlobals({
    input: async (prompt, password) => {
      asked.push([prompt, password]);
      return "answer";
    },
    prompt: (shown) => (shown.startsWith("sure") ? "Yes" : ""),
  });
  assert.is(prompt("name?"), null);
  assert.is(prompt("name?", "standard"), "standard");
  assert.is(confirm("sure?"), true);
  assert.is(confirm("certain?"), false);
  assert.is(globalThis.display, display);
  assert.is(globalThis.progress, progress);
  assert.is(await input("name?"), "answer");
  await input("secret?", { password: true });
  assert.equal(asked, [
    ["name?", false],
    ["secret?", true],
  ]);
});

test.run();
