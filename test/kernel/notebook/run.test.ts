/** The headless runner and its client, through the real kernel. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type CodeCell,
  type Notebook,
  readNotebook,
  writeNotebook,
} from "../../../kernel/notebook/format.ts";
import { runNotebook } from "../../../kernel/notebook/run.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build, root } from "../helpers.ts";

build();

async function notebookOf(...cells: (string | { source: string; tags: string[] })[]): Promise<string> {
  const path = join(await temporaryFolder(), "n.ipynb");
  const notebook: Notebook = {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: cells.map((cell, i) => {
      const { source, tags } = typeof cell === "string" ? { source: cell, tags: undefined } : cell;
      const metadata = tags ? { tags } : {};
      return { cell_type: "code", id: `c${i}`, metadata, source, outputs: [], execution_count: null };
    }),
  };
  await writeNotebook(path, notebook);
  return path;
}

const cellsOf = async (path: string) => (await readNotebook(path)).cells as CodeCell[];

/** Runs the command; `during` may act on the process while it runs. */
async function ditlab(args: string[], during?: (child: ChildProcess, stderr: string) => void) {
  const child = spawn(process.execPath, [join(root, "lib/cli/bin.js"), ...args], { cwd: root });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
    during?.(child, stderr);
  });
  const [code] = (await once(child, "close")) as [number];
  return { code, stdout, stderr };
}

test("outputs, counts and times are written", async () => {
  const path = await notebookOf(
    'console.log("a"); console.log("b"); console.error("c"); 1 + 1',
    "",
    'const shown = display("first"); display.clear({ wait: true }); display("second", { id: "x" })',
    'display("third", { id: "x" }).update("changed"); undefined',
    { source: "throw 1", tags: ["skip-execution"] },
  );
  const result = await runNotebook(path);
  assert.is(result.failed, undefined);
  const [first, empty, cleared, updated, skipped] = await cellsOf(path);
  assert.equal(
    first.outputs.map((output) => ("text" in output ? `${output.name}:${output.text}` : output.output_type)),
    ["stdout:a\nb\n", "stderr:c\n", "execute_result"],
  );
  assert.equal([first.execution_count, empty.execution_count, cleared.execution_count], [1, null, 2]);
  const texts = (cell: CodeCell) =>
    cell.outputs.map((output) => "data" in output && output.data["text/plain"]);
  assert.is(texts(cleared)[0], "changed");
  assert.is(texts(updated)[0], "changed");
  assert.equal(skipped.outputs, []);
  const times = first.metadata.execution as Record<string, string>;
  for (const name of ["iopub.status.busy", "iopub.execute_input", "shell.execute_reply", "iopub.status.idle"])
    assert.ok(!Number.isNaN(Date.parse(times[name])), name);
  assert.is((result.notebook.metadata.language_info as { name: string }).name, "typescript");
});

test("what a cell's timers print while another runs stays the cell's own", async () => {
  const path = await notebookOf(
    'setTimeout(() => { console.log("late"); update("changed"); }, 300);\nconst shown = display("first", { id: "d" }); const update = (text: string) => shown.update(text);',
    "await new Promise((done) => setTimeout(done, 800))",
  );
  assert.is((await runNotebook(path)).failed, undefined);
  const [first, second] = await cellsOf(path);
  assert.is((first.outputs.find((output) => "text" in output) as { text: string }).text, "late\n");
  assert.is((first.outputs[0] as { data: Record<string, string> }).data["text/plain"], "changed");
  assert.equal(second.outputs, []);
});

test("a notebook says which kernel it is for, and one for another is run with a warning", async () => {
  const path = await notebookOf("1");
  const warnings: string[] = [];
  const onWarning = (sentence: string) => warnings.push(sentence);
  const { notebook } = await runNotebook(path, { onWarning });
  assert.equal(notebook.metadata.kernelspec, {
    name: "ditlab",
    display_name: "TypeScript (ditlab)",
    language: "typescript",
  });
  await runNotebook(path, { onWarning });
  assert.equal(warnings, []);
  const kernelspec = { name: "python3", display_name: "Python 3", language: "python" };
  await writeNotebook(path, { ...notebook, metadata: { kernelspec } });
  const other = await runNotebook(path, { onWarning });
  assert.equal(warnings, ["the notebook is written in python, but its cells run as typescript"]);
  assert.equal(other.notebook.metadata.kernelspec, kernelspec);
});

test("a failing cell stops the run, and what came before is kept", async () => {
  const path = await notebookOf("1", "throw new TypeError('no')", "3");
  const output = `${path}.out.ipynb`;
  const result = await runNotebook(path, { output });
  assert.is(result.failed?.index, 2);
  assert.match(result.failed!.reason, /TypeError: no/);
  const cells = await cellsOf(output);
  assert.equal(
    cells.map(({ execution_count }) => execution_count),
    [1, 2, null],
  );
  assert.equal((await cellsOf(path))[0].outputs, [], "the input is as it was");
});

test("errors can be allowed, for the run or for a cell", async () => {
  const path = await notebookOf({ source: "throw 1", tags: ["raises-exception"] }, "throw 2", "3");
  assert.is((await runNotebook(path)).failed?.index, 2);
  assert.is((await runNotebook(path, { allowErrors: true })).failed, undefined);
  assert.is((await cellsOf(path))[2].outputs.length, 1);
});

test("a cell over its time is interrupted and named", async () => {
  const path = await notebookOf("while (true);", "2");
  const result = await runNotebook(path, { cellTimeout: 500 });
  assert.match(result.failed!.reason, /took longer than 0\.5 s and was interrupted/);
});

test("a kernel that dies is told with what it said", async () => {
  const path = await notebookOf('process.kill(process.pid, "SIGKILL"); await new Promise(() => {})');
  const result = await runNotebook(path);
  assert.match(result.failed!.reason, /the kernel ended \(signal SIGKILL\)/);
});

test("the command runs a notebook with parameters and writes a page", async () => {
  const path = await notebookOf(
    { source: 'let steps = 1; const kind: "a" | "b" = "a";', tags: ["parameters"] },
    'console.log("steps", steps, kind)',
  );
  const output = path.replace("n.ipynb", "o.ipynb");
  const { code, stderr } = await ditlab([
    "notebook",
    "run",
    "-p",
    "steps",
    "41",
    "--parameter",
    "kind",
    "b",
    path,
    "-o",
    output,
    "--html",
  ]);
  assert.is(code, 0, stderr);
  assert.match(stderr, /\[3\/3\]/);
  assert.match(await readFile(output.replace(".ipynb", ".html"), "utf8"), /steps 41 b/);
});

test("the command prints the failing cell and exits with 1", async () => {
  const path = await notebookOf("const fine = 1;", "function f() {\n  throw new RangeError('far');\n}\nf();");
  const { code, stderr } = await ditlab(["notebook", "run", path]);
  assert.is(code, 1);
  assert.match(stderr, /Cell 2 failed: RangeError: far\n\n {3}1 \| function f\(\) \{\n {3}2 \|/);
  assert.match(stderr, /at f \(cell\[2\]:2:9\)/);
  const missing = await ditlab(["notebook", "run", "/nonexistent.ipynb"]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /ditlab: there is no notebook at .*nonexistent\.ipynb/);
  await writeFile(path, "no notebook");
  assert.match((await ditlab(["notebook", "run", path])).stderr, /n\.ipynb: a notebook is JSON, but/);
  for (const wrong of [["--nonsense"], ["--timeout", "0"], ["--timeout", "x"], ["-p", "a"], ["-p"]])
    assert.is((await ditlab(["notebook", "run", path, ...wrong])).code, 2, wrong.join(" "));
});

for (const signal of ["SIGINT", "SIGTERM"] as const)
  test(`${signal} stops the cell, keeps what is there and exits with 130`, async () => {
    const path = await notebookOf('console.log("begun")', "while (true);");
    let sent = false;
    const { code } = await ditlab(["notebook", "run", path], (child, stderr) => {
      if (sent || !/^\[1\/2\]/m.test(stderr)) return;
      sent = true;
      setTimeout(() => child.kill(signal), 300);
    });
    assert.is(code, 130);
    const [first, second] = await cellsOf(path);
    assert.is(first.outputs.length, 1);
    assert.is((second.outputs[0] as { ename: string }).ename, "KeyboardInterrupt");
  });

test("a second Ctrl-C ends it at once, and the kernel with it", async () => {
  const path = await notebookOf(
    "(await import('node:fs')).writeFileSync('pid', String(process.pid))",
    "(await import('node:child_process')).execFileSync('sh', ['-c', 'trap \"\" INT; sleep 600'])",
  );
  let sent = 0;
  const { code } = await ditlab(["notebook", "run", path], (child, stderr) => {
    const due = /Stopping this cell/.test(stderr) ? 2 : /^\[1\/2\]/m.test(stderr) ? 1 : 0;
    for (; sent < due; sent++) setTimeout(() => child.kill("SIGINT"), 100);
  });
  assert.is(code, 130);
  const pid = Number(await readFile(join(path, "../pid"), "utf8"));
  const isThere = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  for (let wait = 0; isThere() && wait < 250; wait++) await new Promise((done) => setTimeout(done, 20));
  assert.not.ok(isThere());
});

test.run();
