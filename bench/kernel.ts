/**
 * What a notebook's user feels, for this kernel beside tslab's own, in alternation on one machine:
 * npm run build && npm run bench:kernel [-- <starts>]
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Dealer, Subscriber } from "zeromq";
import { KERNEL_ENVIRONMENT } from "../kernel/install/build.ts";
import { decode, encode, header, type Json, type Message } from "../kernel/protocol/message.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "ditlab-bench-"));
const starts = Number(process.argv[2] ?? 5);
const KEY = "bench";

const KERNELS: Record<string, (connection: string) => string[]> = {
  ditlab: (connection) => [join(root, "dist/kernel/main.js"), connection],
  tslab: (connection) => [join(root, "node_modules/tslab/bin/tslab"), "kernel", "--config-path", connection],
};

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1];

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** A started kernel, asked through its shell; the times are from request to reply, in milliseconds. */
async function start(name: string) {
  const connection: Json = { transport: "tcp", ip: "127.0.0.1", key: KEY, signature_scheme: "hmac-sha256" };
  for (const channel of ["shell", "iopub", "stdin", "control", "hb"])
    connection[`${channel}_port`] = await freePort();
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify(connection));
  const started = performance.now();
  // Each as its kernelspec starts it.
  const env = name === "ditlab" ? { ...process.env, ...KERNEL_ENVIRONMENT } : process.env;
  const child = spawn(process.execPath, KERNELS[name](file), { cwd: root, env, stdio: "ignore" });
  const shell = new Dealer({ linger: 0 });
  const iopub = new Subscriber({ linger: 0, receiveHighWaterMark: 0 });
  iopub.subscribe();
  shell.connect(`tcp://127.0.0.1:${connection.shell_port}`);
  iopub.connect(`tcp://127.0.0.1:${connection.iopub_port}`);
  let lines = 0;
  void (async () => {
    for await (const frames of iopub) {
      const { header, content } = decode(frames, KEY);
      if (header.msg_type === "stream") lines += String(content.text).split("\n").length - 1;
    }
  })();

  async function ask(msg_type: string, content: Json): Promise<{ ms: number; reply: Message }> {
    const asked = performance.now();
    const parts = { identities: [], parentHeader: {}, metadata: {}, buffers: [] };
    await shell.send(encode({ ...parts, header: header(msg_type, "bench"), content }, KEY) as Buffer[]);
    const reply = decode(await shell.receive(), KEY);
    return { ms: performance.now() - asked, reply };
  }
  const run = async (code: string): Promise<number> => {
    const options = { silent: false, store_history: true, user_expressions: {}, allow_stdin: false };
    const { ms, reply } = await ask("execute_request", { code, ...options, stop_on_error: true });
    if (reply.content.status !== "ok")
      throw new Error(`${name}: ${code} failed: ${JSON.stringify(reply.content)}`);
    return ms;
  };
  return {
    run,
    ask,
    sinceStart: () => performance.now() - started,
    lines: () => lines,
    /** Resident memory, in megabytes. */
    memory: () =>
      Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))?.[1]) / 1024,
    stop() {
      child.kill("SIGKILL");
      shell.close();
      iopub.close();
    },
  };
}

type Running = Awaited<ReturnType<typeof start>>;

async function repeat(kernel: Running, count: number, code: (i: number) => string): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) times.push(await kernel.run(code(i)));
  return times;
}

async function measure(name: string): Promise<Record<string, string>> {
  const kernel = await start(name);
  await kernel.run("1+1");
  const ready = kernel.sinceStart();
  if (name === "ditlab") await new Promise((resolve) => setTimeout(resolve, 1500));
  const simple = median(await repeat(kernel, 40, (i) => `1+${i}`));
  const complete: number[] = [];
  for (let i = 0; i < 10; i++)
    complete.push((await kernel.ask("complete_request", { code: "Math.sq", cursor_pos: 7 })).ms);
  await kernel.run('import * as tf from "@tensorflow/tfjs-core"; const x = tf.tensor([1, 2])');
  const afterImport = median(await repeat(kernel, 40, (i) => `x.add(${i}).shape`));
  const completeImport: number[] = [];
  for (let i = 0; i < 10; i++)
    completeImport.push((await kernel.ask("complete_request", { code: "tf.ten", cursor_pos: 6 })).ms);
  kernel.stop();

  const declaring = await start(name);
  await declaring.run("1+1");
  await repeat(declaring, 20, (i) => `const warm${i} = ${i}`);
  const before = declaring.memory();
  const cells = await repeat(
    declaring,
    400,
    (i) =>
      `const value${i} = { index: ${i}, name: "n${i}" }; function f${i}(n: number) { return n + value${i}.index }`,
  );
  const grown = declaring.memory() - before;
  const slowdown = median(cells.slice(-40)) / median(cells.slice(0, 40));
  declaring.stop();
  return {
    "first cell done, ms": ready.toFixed(0),
    "1+1, ms": simple.toFixed(1),
    "a cell after importing tfjs, ms": afterImport.toFixed(1),
    "completion, ms (first / median)": `${complete[0].toFixed(0)} / ${median(complete).toFixed(0)}`,
    "completion after tfjs, ms (first / median)": `${completeImport[0].toFixed(0)} / ${median(completeImport).toFixed(0)}`,
    "400 declaring cells, MB": grown.toFixed(0),
    "400 declaring cells, last 40 / first 40": slowdown.toFixed(2),
  };
}

/** Milliseconds until the reply of a cell that prints `count` lines, and how many came. */
async function printing(name: string, count: number): Promise<string> {
  const kernel = await start(name);
  await kernel.run("1+1");
  const time = kernel.run(`for (let i = 0; i < ${count}; i++) console.log("line " + i)`);
  const ms = await Promise.race([time, new Promise((resolve) => setTimeout(() => resolve("never"), 30_000))]);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const came = kernel.lines();
  kernel.stop();
  return `${came} of ${count}${typeof ms === "number" ? ` in ${ms.toFixed(0)} ms` : ", and the cell never ends"}`;
}

/** A hot loop without and with the checks that make it interruptible. */
async function guard(): Promise<string> {
  const kernel = await start("ditlab");
  const loop = (off: boolean, body: string) =>
    `${off ? "// @no-interrupt-checks\n" : ""}{ let s = 0; for (let i = 0; i < 2e8; i++) ${body} }`;
  const ratio = async (body: string) => {
    const [plain, checked]: number[][] = [[], []];
    for (let i = 0; i < 5; i++) {
      plain.push(await kernel.run(loop(true, body)));
      checked.push(await kernel.run(loop(false, body)));
    }
    return (median(checked) / median(plain)).toFixed(2);
  };
  const result = `empty loop ${await ratio("{}")}x, adding ${await ratio("{ s += i }")}x`;
  kernel.stop();
  return result;
}

const results: Record<string, Record<string, string>[]> = { ditlab: [], tslab: [] };
for (let i = 0; i < starts; i++)
  for (const name of Object.keys(KERNELS)) results[name].push(await measure(name));

console.log("| | ditlab | tslab |\n| --- | --- | --- |");
const first = (text: string) => Number.parseFloat(text);
for (const row of Object.keys(results.ditlab[0])) {
  const middle = (name: string) =>
    results[name].map((result) => result[row]).toSorted((a, b) => first(a) - first(b))[starts >> 1];
  console.log(`| ${row} | ${middle("ditlab")} | ${middle("tslab")} |`);
}
console.log(`| 2,000 printed lines | ${await printing("ditlab", 2000)} | ${await printing("tslab", 2000)} |`);
console.log(`| 100,000 printed lines | ${await printing("ditlab", 100_000)} | |`);
console.log(`| checks in loops | ${await guard()} | none |`);
process.exit(0);
