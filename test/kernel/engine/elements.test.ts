/** Cells with JSX, by a runtime that is installed, and cells that ask for fewer checks. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openSession } from "./helpers.ts";

const runtime = (name: string) => ({
  [`node_modules/${name}/package.json`]: JSON.stringify({
    name,
    type: "module",
    exports: { "./jsx-runtime": { types: "./jsx-runtime.d.ts", default: "./jsx-runtime.js" } },
  }),
  [`node_modules/${name}/jsx-runtime.js`]: `export const jsx = (type, props) => ({ by: "${name}", type, props }); export const jsxs = jsx; export const Fragment = "fragment";`,
  [`node_modules/${name}/jsx-runtime.d.ts`]: `
export namespace JSX { interface Element { by: string; type: unknown; props: any } interface IntrinsicElements { b: { title?: string; children?: unknown }; i: { children?: unknown } } }
export function jsx(type: unknown, props: unknown): JSX.Element; export const jsxs: typeof jsx; export const Fragment: unique symbol;`,
});
const { run, fails } = await openSession({ ...runtime("preact"), ...runtime("other") });

test("JSX is made by the runtime that is installed", async () => {
  assert.equal(await run('const who = "you";\n<b title="t">hello {who}</b>'), {
    by: "preact",
    type: "b",
    props: { title: "t", children: ["hello ", "you"] },
  });
  await run("const Bold = ({ of }: { of: string }) => <b>{of}</b>; const made = <Bold of={who} />;");
  assert.is(await run("(made.type as typeof Bold)({ of: who }).props.children"), "you");
  assert.match(
    await fails("<b titel='t' />"),
    /cell\[\d+\]:1:4 - error TS2322: [\s\S]*'titel' does not exist/,
  );
  assert.match(await fails("<u />"), /'u' does not exist on type 'JSX.IntrinsicElements'/);
});

test("a cell names another runtime", async () => {
  assert.is(await run("/** @jsxImportSource other */\n(<i>1</i>).by"), "other");
});

test("what only looks like JSX is none", async () => {
  assert.is(await run("const same = <T,>(x: T): T => x; same<number>(3) + (<number>4)"), 7);
});

test("a cell may do without the strict checks", async () => {
  assert.match(await fails("const double = x => x * 2;"), /TS7006[\s\S]*@no-strict/);
  assert.is(await run("// @no-strict\nconst double = x => x * 2; double(4)"), 8);
  assert.is(await run("// a note\n// @no-strict\nlet maybe: string = null; maybe"), null);
  assert.match(await fails("// @no-strict\nconst wrong: string = 3;"), /'number' is not assignable/);
  assert.is(await run("double(5)"), 10, "later cells know its names");
});

test.run();
