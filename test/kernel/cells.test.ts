/** What cells do that takes a whole kernel: questions, commands of the notebook's, child processes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ExecuteOptions } from "../../kernel/client/client.ts";
import { type KernelProcess, startKernel } from "../../kernel/client/process.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build } from "./helpers.ts";

interface Ran {
  readonly status: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly value: string | undefined;
  /** The traceback, without colours. */
  readonly error: string;
  /** The pager's page. */
  readonly page: string | undefined;
  /** Texts of streams in the order in which they came. */
  readonly chunks: readonly string[];
  readonly html: string | undefined;
}

let kernel: KernelProcess;
let folder: string;

test.before(async () => {
  build();
  folder = await temporaryFolder();
  kernel = await startKernel({ cwd: folder });
});
test.after(() => kernel.stop());

async function run(code: string, onInput?: ExecuteOptions["onInput"]): Promise<Ran> {
  const { reply, outputs } = await kernel.client.execute(code, { onInput });
  const of = (type: string) =>
    outputs.filter(({ header }) => header.msg_type === type).map(({ content }) => content);
  const text = (name: string) =>
    of("stream")
      .filter((stream) => stream.name === name)
      .map((stream) => stream.text)
      .join("");
  const data = (type: string) => (of(type)[0]?.data ?? {}) as Record<string, string>;
  const pages = (reply.content.payload ?? []) as { data: Record<string, string> }[];
  return {
    status: String(reply.content.status),
    stdout: text("stdout"),
    stderr: text("stderr"),
    value: data("execute_result")["text/plain"],
    error: stripVTControlCharacters(((reply.content.traceback ?? []) as string[]).join("\n")),
    page: pages[0]?.data["text/plain"],
    chunks: of("stream").map((stream) => String(stream.text)),
    html: data("execute_result")["text/html"],
  };
}

test("a question about a name is answered, before and behind it", async () => {
  await run("/** Adds. */\nfunction add(a: number, b: number) {\n  return a + b;\n}");
  for (const question of ["add?", "?add", " add ? "])
    assert.is((await run(question)).page, "function add(a: number, b: number): number\n\nAdds.", question);
  for (const question of ["add??", "??add"])
    assert.match(
      (await run(question)).page!,
      /^function add\(.*\n\nAdds\.\n\nfunction add\([\s\S]*return a \+ b;\n\}$/,
      question,
    );
  assert.match((await run("Math.sqrt?")).page!, /square root/);
  const unknown = await run("nothingHere?");
  assert.equal(
    [unknown.status, unknown.stdout, unknown.page],
    ["ok", "Nothing is known of nothingHere.\n", undefined],
  );
  for (const code of ["add?", "?add", "add??"]) {
    const { content } = await kernel.client.request("shell", "is_complete_request", { code });
    assert.is(content.status, "complete", code);
  }
});

test("child processes that inherit outputs show them while they run, and return what they return in Node", async () => {
  await run('import { execFileSync, execSync, spawn, spawnSync } from "node:child_process";');
  const both = await run('execSync("echo o; echo e >&2", { stdio: "inherit" }) === null');
  assert.equal([both.value, both.stdout, both.stderr], ["true", "o\n", "e\n"]);
  const piped = await run(
    'execSync("echo o; echo e >&2", { stdio: ["ignore", "pipe", "inherit"] }).toString()',
  );
  assert.equal([piped.value, piped.stdout, piped.stderr], ["'o\\n'", "", "e\n"]);
  const spawned = await run(
    'const { output, status } = spawnSync("sh", ["-c", "echo o; exit 3"], { stdio: "inherit" }); [output, status]',
  );
  assert.equal([spawned.value, spawned.stdout], ["[ [ null, null, null ], 3 ]", "o\n"]);
  const failing = await run('execFileSync("sh", ["-c", "echo e >&2; exit 2"], { stdio: "inherit" })');
  assert.equal([failing.status, failing.stderr], ["error", "e\n"]);
  const child = await run(
    'const c = spawn("echo", ["o"], { stdio: "inherit" }); await new Promise((r) => c.on("close", r)); [c.stdout, c.stdio]',
  );
  assert.equal([child.value, child.stdout], ["[ null, [ null, null, null ] ]", "o\n"]);
  const order: string[] = [];
  // The child ends only when what it printed has been seen.
  await kernel.client.execute(
    `execSync("echo first; while [ ! -e ${folder}/seen ]; do sleep 0.05; done; echo second", { stdio: "inherit" })`,
    {
      onOutput({ header, content }) {
        if (header.msg_type !== "stream") return;
        order.push(String(content.text));
        writeFileSync(join(folder, "seen"), "");
      },
    },
  );
  assert.equal(order, ["first\n", "second\n"]);
});

test("a command runs in a shell, and says with which code it ended if that is not 0", async () => {
  assert.equal((await run("!echo out; echo err >&2")).chunks, ["out\n", "err\n"]);
  assert.is((await run("!exit 3")).stderr, "exit code 3\n");
  const mixed = await run(
    'const before = 1;\n!echo "it\'s `date +%Y`" | tr a-z A-Z\nconst behind = before + 1;\nbehind',
  );
  assert.match(mixed.stdout, /^IT'S \d+\n$/);
  assert.is(mixed.value, "2");
  const slow = kernel.client.execute("!sleep 60; sleep 60");
  await new Promise((resolve) => setTimeout(resolve, 500));
  await kernel.client.interrupt();
  assert.is((await slow).reply.content.ename, "KeyboardInterrupt");
});

test("an expression that begins with a mark is an expression", async () => {
  await run("const flag = false;");
  assert.is((await run("!flag")).value, "true");
  assert.is((await run("!!flag")).value, "false");
  assert.is((await run("const negated =\n!flag;\nnegated")).value, "true");
  assert.is((await run("const text = `\n!echo no\n%cd no\n`;\ntext.length")).value, "17");
  assert.is((await run("let rest = 7\n%\n4\nrest")).value, "3");
});

test("commands of the notebook's time code, name what is declared, and change folder and environment", async () => {
  const timed = await run("%%time\nconst sum = 1 + 1;\nsum");
  assert.equal(
    [timed.value, /^\d+\.\d{3} s, of which the processor \d+\.\d{3} s\n$/.test(timed.stdout)],
    ["2", true],
  );
  assert.is((await run("%time sum * 2")).value, "4");
  assert.is((await run("%time const product = 6")).status, "ok");
  assert.is((await run("product")).value, "6");
  assert.match(
    (await run("%timeit sum + 1")).stdout,
    /^[\d.]+ (ns|µs|ms|s) ± .* 7 runs of [\d,]+ loops\)\n$/,
  );
  assert.match(
    (await run("%%timeit\nlet n = 0;\nfor (let i = 0; i < 1e5; i++) n += await i;")).stdout,
    / ± /,
  );
  assert.match((await run("%who")).value!, /'product'[^\n]*'6'|'product'[^\n]*6/);
  assert.match((await run("%whos")).value!, /product[^\n]*6[^\n]*6/);
  assert.is((await run("%cd /")).stdout, "/\n");
  assert.is((await run("process.cwd()")).value, "'/'");
  assert.is((await run("%env DITLAB_TRIED=yes\nprocess.env.DITLAB_TRIED")).value, "'yes'");
  assert.is((await run("%env DITLAB_TRIED")).value, "'yes'");
  assert.match((await run("%lsmagic")).stdout, /^%npm .*\n%time /);
  assert.is((await run("%%html\n<b>bold</b> `")).html, "<b>bold</b> `");
  assert.equal((await run("%%sh\necho one\necho two >&2")).chunks, ["one\n", "two\n"]);
  assert.match((await run("%%sh\nexit 4")).error, /exit code 4/);
});

test("npm is at hand, and what a command brings can be imported in the same cell", async () => {
  assert.match((await run("%npm --version")).stdout, /^\d+\.\d+\.\d+\n$/);
  await run(`%cd ${folder}`);
  const made = await run(
    '!mkdir -p node_modules/late && echo "export default 12" > node_modules/late/index.mjs && echo "declare const n: number; export default n" > node_modules/late/index.d.mts && echo \'{"name":"late","exports":{".":{"types":"./index.d.mts","default":"./index.mjs"}}}\' > node_modules/late/package.json\nimport late from "late";\nlate',
  );
  assert.is(made.value, "12", made.error);
});

test("what is no command gets one sentence", async () => {
  const sentence = async (code: string) => (await run(code)).error.split("\n")[0];
  assert.match(
    await sentence("%matplotlib inline"),
    /^UnknownCommand: %matplotlib is no command of this kernel; figures show themselves: display\.plot/,
  );
  assert.match(
    await sentence("%nonsense"),
    /^UnknownCommand: %nonsense is no command of this kernel; %lsmagic lists/,
  );
  assert.match(await sentence("%%ruby\nputs 1"), /^UnknownCommand: %%ruby is no command/);
  const note = async (code: string) => /\nNote: (.*)$/.exec((await run(code)).error)?.[1];
  assert.match(
    (await note("/** @jsxImportSource nosuch */\n<div>hi</div>"))!,
    /%npm install preact.* display\.html/,
  );
  assert.match((await note("x => x"))!, /says its type: \(x: number\) => x/);
  assert.match((await note("document.title"))!, /has no page/);
});

test("a cell that asks not to be checked is not", async () => {
  const ran = await run("// @ts-nocheck\nconst wrong: string = 5;\nwrong + (x => x)(1)");
  assert.equal([ran.value, ran.error], ["6", ""]);
  assert.match((await run("// @ts-nocheck\nnever_declared")).error, /ReferenceError: never_declared/);
  assert.match((await run("const checked: string = 5 // @ts-nocheck")).error, /TS2322/);
});

test("readline asks the notebook's reader", async () => {
  const asked: string[] = [];
  const answer = async (prompt: string) => {
    asked.push(prompt);
    return `answer ${asked.length}`;
  };
  const code = `import { createInterface } from "node:readline/promises";
const lines = createInterface({ input: process.stdin, output: process.stdout });
const first = await lines.question("one? ");
const second = await lines.question("two? ");
lines.close();
[first, second]`;
  const ran = await run(code, answer);
  assert.is(ran.value, "[ 'answer 1', 'answer 2' ]");
  assert.is(asked.length, 2);
  assert.is((await run(code, answer)).value, "[ 'answer 3', 'answer 4' ]", "again in another cell");
  assert.match((await run(code)).error, /this one cannot/, "where nobody can answer");
});

test.run();
