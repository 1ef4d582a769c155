/** What is killed while it is needed: a cell's child, a kernel, its sockets' thread, its front end, a reader of output. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelProcess, startKernel } from "../../kernel/client/process.ts";
import { type CodeCell, readNotebook, writeNotebook } from "../../kernel/notebook/format.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { build, kernelMain, root } from "./helpers.ts";
import { codeNotebook } from "./lab.ts";

build();
const argv = [process.execPath, kernelMain, "{connection_file}"];
const bin = join(root, "lib/cli/bin.js");

async function withKernel(body: (kernel: KernelProcess) => Promise<void>, argvOf = argv): Promise<void> {
  const kernel = await startKernel({ argv: argvOf });
  try {
    await body(kernel);
  } finally {
    await kernel.stop();
  }
}

/** Whether a process runs; one that has ended stays listed (Z) until whoever inherits it collects it. */
function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    const stat = `/proc/${pid}/stat`;
    return !existsSync(stat) || !/\) Z /.test(readFileSync(stat, "utf8"));
  } catch {
    return false;
  }
}

/** Waits until a process is gone, and says whether it is. */
async function goes(pid: number, milliseconds: number): Promise<boolean> {
  for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(20))
    if (!isThere(pid)) return true;
  return !isThere(pid);
}

async function untilWritten(path: string): Promise<string> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(20)) {
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (text.endsWith("\n")) return text;
  }
  throw new Error(`nothing was written to ${path}`);
}

test("a killed child fails the cell that waits for it, in its way, and the kernel goes on", () =>
  withKernel(async ({ client }) => {
    await client.execute(
      'import { execSync, execFile, spawnSync } from "node:child_process"; import { promisify } from "node:util"; const kept = 41;',
    );
    const failing: [string, RegExp][] = [
      ['execSync("kill -9 $$")', /Command failed: kill -9/],
      [
        'const run = promisify(execFile)("sleep", ["60"]); run.child.kill("SIGKILL"); await run',
        /Command failed: sleep 60/,
      ],
    ];
    for (const [code, message] of failing) {
      const { content } = (await client.execute(code)).reply;
      assert.is(content.ename, "Error");
      assert.match(String(content.evalue), message);
    }
    const { outputs: signals } = await client.execute('spawnSync("sh", ["-c", "kill -9 $$"]).signal');
    assert.match(JSON.stringify(signals.map(({ content }) => content)), /'SIGKILL'/);
    const shell = (await client.execute("%%sh\nkill -9 $$")).reply.content;
    assert.is(shell.status, "error");
    assert.match(String(shell.evalue), /SIGKILL|137/);
    const { outputs } = await client.execute("kept + 1");
    assert.match(JSON.stringify(outputs.map(({ content }) => content)), /"text\/plain":"42"/);
  }));

/** A module that ends the sockets' thread as soon as a file is there. */
const crasher = (signal: string, crash: string) => `
  const { isMainThread, workerData } = require("node:worker_threads");
  const { existsSync } = require("node:fs");
  if (!isMainThread && workerData?.connection)
    setInterval(() => { if (existsSync(${JSON.stringify(signal)})) ${crash}; }, 20);`;

for (const [how, crash] of [
  ["an error", 'throw new Error("crash")'],
  ["an exit", "process.exit(3)"],
])
  test(`a kernel whose sockets' thread ends by ${how} ends, also while a cell computes`, async () => {
    const folder = await temporaryFolder();
    const [signal, module, begun] = ["now", "crash.cjs", "begun"].map((name) => join(folder, name));
    writeFileSync(module, crasher(signal, crash));
    const hooked = [process.execPath, "--require", module, kernelMain, "{connection_file}"];
    await withKernel(async ({ client, pid }) => {
      const cell = client.execute(
        `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(begun)}, "x\\n"); for (;;);`,
      );
      const ended = rejects(cell, /the kernel ended \(signal SIGKILL\)/);
      await untilWritten(begun);
      writeFileSync(signal, "");
      await ended;
      assert.not.ok(isThere(pid));
    }, hooked);
  });

test("a kernel ends within two seconds of its front end, also while a cell computes", async () => {
  const folder = await temporaryFolder();
  const file = join(folder, "pid");
  const { href } = pathToFileURL(join(root, "dist/kernel/client/process.js"));
  const program = `import { writeFileSync } from "node:fs";
    const { startKernel } = await import(${JSON.stringify(href)});
    const { client, pid } = await startKernel({ argv: ${JSON.stringify(argv)} });
    client.execute("for (;;);", { onOutput: () => writeFileSync(${JSON.stringify(file)}, pid + "\\n") });`;
  const frontEnd = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: "ignore" });
  const pid = Number(await untilWritten(file));
  assert.ok(isThere(pid));
  frontEnd.kill("SIGKILL");
  assert.ok(await goes(pid, 2000));
});

/** `ditlab notebook run` of a notebook whose second cell says when it has begun, and waits for ever. */
async function waitingRun(...flags: string[]): Promise<{ run: ChildProcess; begun: string; output: string }> {
  const folder = await temporaryFolder();
  const [path, begun, output] = ["n.ipynb", "begun", "out.ipynb"].map((name) => join(folder, name));
  const wait = `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(begun)}, process.pid + "\\n"); await new Promise(() => {})`;
  await writeNotebook(path, codeNotebook(["1 + 1", wait, "3"]));
  const run = spawn(process.execPath, [bin, "notebook", "run", path, "-o", output, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { run, begun, output };
}

test("a kernel that is killed in a run ends that with one sentence, and what came before is kept", async () => {
  const { run, begun, output } = await waitingRun("--html");
  let said = "";
  run.stderr!.on("data", (text) => {
    said += text;
  });
  process.kill(Number(await untilWritten(begun)), "SIGKILL");
  const [code] = await once(run, "close");
  assert.is(code, 1);
  assert.match(said, /^Cell 2 failed: the kernel ended \(signal SIGKILL\)$/m);
  assert.not.match(said, /\n\s+at /, "no stack");
  const cells = (await readNotebook(output)).cells as CodeCell[];
  assert.equal(
    cells.map(({ outputs }) => outputs.map(({ output_type }) => output_type)),
    [["execute_result"], ["error"], []],
  );
});

test("a run whose reader has gone goes on to its end", async () => {
  const { run, begun, output } = await waitingRun("--timeout", "3");
  run.stdout!.destroy();
  run.stderr!.destroy();
  await untilWritten(begun);
  const [code] = await once(run, "exit");
  assert.is(code, 1, "a cell took too long");
  const [, stopped] = (await readNotebook(output)).cells as CodeCell[];
  assert.match(JSON.stringify(stopped.outputs), /KeyboardInterrupt/);
});

test.run();
