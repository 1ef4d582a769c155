/** The debugger over the wire, as a front end uses it. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Executed } from "../../../kernel/client/client.ts";
import { type KernelProcess, startKernel } from "../../../kernel/client/process.ts";
import type { DapScope, DapVariable } from "../../../kernel/debugger/dap.ts";
import { cellPath } from "../../../kernel/debugger/paths.ts";
import type { Json } from "../../../kernel/protocol/message.ts";
import { temporaryFolder } from "../../io/helpers.ts";
import { build } from "../helpers.ts";
import { type Debugger, openDebugger, printed } from "./helpers.ts";

let folder: string;
let kernel: KernelProcess;
let debug: Debugger;

async function fresh(): Promise<void> {
  kernel = await startKernel({ cwd: folder });
  debug = openDebugger(kernel);
}

test.before(async () => {
  build();
  folder = await temporaryFolder();
  await fresh();
});
test.after(() => kernel.stop());
test.after.each(async () => {
  const { isStarted, stoppedThreads } = await debug.ask<{ isStarted: boolean; stoppedThreads: number[] }>(
    "debugInfo",
  );
  if (stoppedThreads.length === 0) return;
  // A test has failed; the next begins with a kernel that runs.
  await debug.ask("disconnect");
  if (isStarted) await debug.attach();
});

/** Runs a cell, which must end: a program that is paused by mistake would keep all tests waiting. */
function execute(code: string): Promise<Executed> {
  const late = sleep(20_000, undefined, { ref: false }).then(() => {
    throw new Error("the cell does not end");
  });
  const ended = Promise.race([kernel.client.execute(code), late]);
  ended.catch(() => {});
  return ended;
}
async function runs(code: string): Promise<string> {
  const ran = await execute(code);
  assert.is(ran.reply.content.status, "ok", JSON.stringify(ran.reply.content));
  return printed(ran);
}

const SUM = `// Sums up.
let total = 0;
const items = [1, 2, 3];
function add(n: number): number {
  const twice = n * 2;

  total += twice;
  return total;
}
for (const i of items) {
  const sum = add(i);
  console.log(sum);
}`;

test("the kernel says that it can be debugged", async () => {
  assert.is(kernel.info.debugger, true);
  assert.equal(kernel.info.supported_features, ["debugger"]);
});

test("variables are listed while nobody debugs, and while a cell computes", async () => {
  await runs(
    "const table = new Map([['a', { x: 1 }]]); let name = 'n'; class Box { get open() { throw 1 } y = 2 }",
  );
  await runs("const box = new Box(), big = new Float32Array(100000).fill(0.5)");
  const busy = execute("for (const start = Date.now(); Date.now() - start < 1500; );");
  await sleep(100);
  const started = Date.now();
  const { variables } = await debug.ask<{ variables: DapVariable[] }>("inspectVariables");
  assert.ok(Date.now() - started < 1000, "the answer waited for the cell");
  const byName = new Map(variables.map((one) => [one.name, one]));
  assert.equal([...byName.keys()].sort(), ["Box", "big", "box", "name", "table"]);
  assert.is(byName.get("name")?.value, "'n'");
  assert.is(byName.get("box")?.type, "Box");
  const parts = async (reference: number, more: Json = {}) =>
    (await debug.ask<{ variables: DapVariable[] }>("variables", { variablesReference: reference, ...more }))
      .variables;
  const [entry] = await parts(byName.get("table")!.variablesReference);
  assert.is(entry.name, "'a'");
  assert.equal(
    (await parts(entry.variablesReference)).map(({ name, value }) => [name, value]),
    [["x", "1"]],
  );
  const { variablesReference: list, indexedVariables } = byName.get("big")!;
  assert.is(indexedVariables, 100000);
  const groups = await parts(list);
  assert.equal([groups.length, groups[1].name], [10, "[10000 … 19999]"]);
  const inner = await parts((await parts(groups[1].variablesReference))[2].variablesReference);
  assert.equal([inner.length, inner[3].name, inner[3].value], [100, "10203", "0.5"]);
  assert.equal(
    (await parts(list, { start: 7, count: 2 })).map(({ name }) => name),
    ["7", "8"],
  );
  await busy;
});

test("a value is shown as a cell shows it", async () => {
  await runs("const rows = [{ a: 1, b: 'x' }]");
  const { data } = await debug.ask<{ data: Json }>("richInspectVariables", { variableName: "rows" });
  assert.match(String(data["text/html"]), /<table/);
  assert.ok("text/plain" in data);
});

test("debugging needs to be started", async () => {
  const { success, message } = await debug.respond("setBreakpoints", {
    source: { path: "x" },
    breakpoints: [],
  });
  assert.is(success, false);
  assert.match(String(message), /initialize/);
  assert.is((await debug.ask("debugInfo")).isStarted, false);
});

test("a breakpoint in a cell that has not run: lines, names, variables, evaluation, steps", async () => {
  await debug.attach();
  assert.ok(debug.events.includes("initialized"));
  const info = await debug.ask("debugInfo");
  assert.equal([info.isStarted, info.hashMethod, info.copyToGlobals], [true, "Murmur2", true]);
  // Line 6 is empty.
  const set = await debug.breakAt({ code: SUM }, 2, 6);
  assert.equal(
    set.map(({ line, verified }) => [line, verified]),
    [
      [2, true],
      [7, true],
    ],
  );
  assert.is(set[0].source.path, cellPath(SUM).replace(`_${process.pid}`, `_${kernel.pid}`));
  const running = execute(SUM);
  assert.is((await debug.stopped()).reason, "breakpoint");
  const [top] = await debug.frames();
  assert.equal([top.line, top.source.path], [2, set[0].source.path]);
  assert.is(await debug.go("continue"), "add:7");
  assert.equal(
    (await debug.frames()).map(({ line }) => line),
    [7, 11],
  );
  const locals = await debug.variables("Locals");
  assert.equal(Object.keys(locals).sort(), ["n", "twice"]);
  assert.equal([locals.twice.value, locals.twice.type], ["2", "number"]);
  const globals = await debug.variables("Globals");
  assert.equal([globals.total.value, globals.items.value], ["0", "[ 1, 2, 3 ]"]);
  assert.is(await debug.value("total + twice"), "2");
  assert.is(await debug.value("(items as number[]).map((n: number) => n + total)"), "[ 1, 2, 3 ]");
  assert.is(await debug.value("total = 10"), "10");
  assert.is(await debug.go("next"), "add:8");
  assert.is(await debug.value("total"), "12");
  const outer = await debug.go("stepOut");
  assert.match(outer, /^cell\[\d+\]:1[12]$/);
  await debug.breakAt({ code: SUM });
  await debug.ask("continue");
  assert.is(printed(await running), "12\n16\n22\n");
});

test("breakpoints stay over runs of a cell, and a cell of the same code has the same", async () => {
  await debug.breakAt({ code: SUM }, 12);
  for (let run = 0; run < 2; run++) {
    const running = execute(SUM);
    await debug.stopped();
    assert.match(await debug.where(), /:12$/);
    assert.is(await debug.value("sum"), "2");
    await debug.breakAt({ code: SUM });
    await debug.ask("continue");
    await running;
    await debug.breakAt({ code: SUM }, 12);
  }
  const { breakpoints } = await debug.ask<{ breakpoints: Json[] }>("debugInfo");
  assert.is(breakpoints.length, 1);
  await debug.breakAt({ code: SUM });
});

test("steps go into functions of earlier cells and of imported files, past the kernel's own code", async () => {
  writeFileSync(
    join(folder, "shapes.ts"),
    "export interface Shape { side: number }\n\nexport function area(shape: Shape): number {\n  const { side } = shape;\n  return side ** 2;\n}\n",
  );
  await runs(`function outer(x: number): number {
  // A comment.
  return x + 1;
}
const arrow = (x: number) => x * 2;`);
  const code = `import { area } from "./shapes.ts";
const a = outer(1);
const b = arrow(a);
const c = await Promise.resolve(area({ side: b }));
console.log(c);`;
  await debug.breakAt({ code }, 2);
  const running = execute(code);
  await debug.stopped();
  const name = (await debug.frames())[0].name;
  assert.is(await debug.go("stepIn"), "outer:3");
  assert.match((await debug.frames())[0].source.path, /\.ts$/);
  assert.is(await debug.go("stepOut"), `${name}:3`);
  assert.is(await debug.go("stepIn"), "arrow:5");
  assert.is(await debug.value("x"), "2");
  assert.is(await debug.go("stepOut"), `${name}:4`);
  assert.is(await debug.go("stepIn"), "area:4");
  assert.is((await debug.frames())[0].source.path, join(folder, "shapes.ts"));
  const { content } = await debug.ask("source", { source: { path: join(folder, "shapes.ts") } });
  assert.match(String(content), /^export interface Shape/);
  assert.is(await debug.go("stepOut"), `${name}:4`);
  assert.is(await debug.go("next"), `${name}:5`);
  await debug.ask("continue");
  assert.is(printed(await running), "16\n");
  await debug.breakAt({ code });
});

test("a breakpoint in an imported file, before and after it was loaded", async () => {
  const path = join(folder, "counter.ts");
  writeFileSync(
    path,
    "type Count = number;\nlet count: Count = 0;\nexport const step = 5;\nexport const next = (): Count => {\n  count += step;\n  return count;\n};\nnext();\n",
  );
  assert.is((await debug.breakAt({ path }, 4))[0].line, 4);
  await debug.breakAt({ path }, 5);
  const running = execute(`import { next } from "./counter.ts"; console.log(next())`);
  await debug.stopped();
  assert.is(await debug.where(), "next:5");
  assert.is(await debug.value("step + count"), "5");
  assert.is((await debug.variables("Module")).step.value, "5");
  await debug.ask("continue");
  await debug.stopped();
  const frames = await debug.frames();
  assert.match(frames[1].name, /^cell\[/);
  await debug.ask("continue");
  assert.is(printed(await running), "10\n");
  assert.is((await debug.breakAt({ path }, 6))[0].line, 6);
  const again = execute("console.log(next())");
  await debug.stopped();
  assert.is(await debug.where(), "next:6");
  await debug.breakAt({ path });
  await debug.ask("continue");
  assert.is(printed(await again), "15\n");
});

test("asynchronous functions stop after an await, and timers and callbacks of earlier cells do", async () => {
  const code = `async function slow(ms: number) {
  const before = 1;
  await new Promise((done) => setTimeout(done, ms));
  const after = before + 1;
  return after;
}
const later = () => setTimeout(() => {
  console.log("timer");
}, 50);`;
  await debug.breakAt({ code }, 4, 8);
  await runs(code);
  const running = execute("const got = await slow(10);\nconsole.log(got)");
  await debug.stopped();
  assert.is(await debug.where(), "slow:4");
  assert.is(await debug.value("before"), "1");
  assert.is(await debug.go("next"), "slow:5");
  await debug.ask("continue");
  assert.is(printed(await running), "2\n");
  await runs("later();");
  await debug.stopped();
  assert.is((await debug.frames())[0].line, 8);
  await debug.ask("continue");
  await debug.breakAt({ code });
});

test("a step over an await comes to the next line", async () => {
  const code =
    "const one = await new Promise<number>((done) => setTimeout(() => done(1), 30));\nconst two = one + 1;\nconsole.log(two);";
  await debug.breakAt({ code }, 1);
  const running = execute(code);
  await debug.stopped();
  assert.match(await debug.go("next"), /:2$/);
  assert.match(await debug.go("next"), /:3$/);
  // The last step ends with the cell, and the next cell runs.
  await debug.ask("next");
  await running;
  await runs("1 + 1");
  assert.ok(await debug.runsOn(100));
  await debug.breakAt({ code });
});

test("conditions and messages", async () => {
  const code = "let limit = 7;\nfor (let i = 0; i < 10; i++) {\n  limit += 0;\n  limit -= 0;\n}";
  await debug.breakAt(
    { code },
    { line: 3, condition: "i === limit" },
    { line: 4, logMessage: "i is {i} of {limit}" },
  );
  const running = execute(code);
  await debug.stopped();
  assert.is(await debug.value("i"), "7");
  await debug.ask("continue");
  const lines = printed(await running)
    .trim()
    .split("\n");
  assert.equal([lines.length, lines[9]], [10, "i is 9 of 7"]);
  await debug.breakAt({ code }, { line: 3, condition: "nonsense(" });
  await runs(code);
  await debug.breakAt({ code });
});

test("exceptions: those that nothing catches, and all", async () => {
  const uncaught = "function fail(): never {\n  throw new RangeError('far');\n}\nfail();";
  const caught =
    "try {\n  JSON.parse('{');\n} catch {\n  console.log('caught');\n}\nawait (async () => {\n  throw new Error('async');\n})().catch(() => {});\ntry {\n  await (async () => {\n    await null;\n    throw new Error('later');\n  })();\n} catch {\n  console.log('later');\n}";
  const inPackage = "import { readFileSync } from 'node:fs';\nconst text = readFileSync('/nowhere/at/all');";
  await debug.ask("setExceptionBreakpoints", { filters: ["uncaught"] });
  let running = execute(uncaught);
  let stop = await debug.stopped();
  assert.equal([stop.reason, stop.text], ["exception", "RangeError: far"]);
  assert.is(await debug.where(), "fail:2");
  assert.is((await debug.ask("exceptionInfo")).exceptionId, "RangeError");
  await debug.ask("continue");
  assert.is((await running).reply.content.ename, "RangeError");
  running = execute(inPackage);
  stop = await debug.stopped();
  assert.match(stop.text!, /ENOENT/);
  assert.match(await debug.where(), /:2$/);
  await debug.ask("continue");
  await running;
  assert.is(
    await runs("try {\n  (null as unknown as Date).getDay();\n} catch {\n  console.log('caught');\n}"),
    "caught\n",
  );
  assert.is(
    await runs(
      "try {\n  await (async () => {\n    await null;\n    throw new Error('later');\n  })();\n} catch {\n  console.log('later');\n}",
    ),
    "later\n",
  );
  await debug.ask("setExceptionBreakpoints", { filters: ["all"] });
  running = execute(caught);
  for (const line of [2, 7, 12]) {
    stop = await debug.stopped();
    assert.equal([stop.reason, (await debug.frames())[0].line], ["exception", line]);
    await debug.ask("continue");
  }
  assert.is(printed(await running), "caught\nlater\n");
  await debug.ask("setExceptionBreakpoints", { filters: [] });
  assert.is((await execute(uncaught)).reply.content.ename, "RangeError");
  assert.ok(await debug.runsOn(50));
});

test("a loop that never ends is paused, looked at and stopped", async () => {
  const running = execute("let spins = 0;\nwhile (true) {\n  spins++;\n}");
  await sleep(200);
  await debug.ask("pause", { threadId: 1 });
  assert.is((await debug.stopped()).reason, "pause");
  assert.match(await debug.where(), /:[23]$/);
  const before = Number(await debug.value("spins"));
  assert.ok(before > 1000);
  await debug.ask("continue");
  await sleep(50);
  await debug.ask("pause");
  await debug.stopped();
  assert.ok(Number(await debug.value("spins")) > before);
  await kernel.client.interrupt();
  assert.is((await running).reply.content.ename, "KeyboardInterrupt");
  assert.is(await runs("console.log('alive')"), "alive\n");
});

test("the stop button ends a paused cell before it does more", async () => {
  for (const wait of ["", "await null;"]) {
    const code = `${wait}let done = "no";\nfunction work() {\n  done = "begun";\n  rest();\n}\nfunction rest() { done = "yes"; }\nwork();\ndone = "all";`;
    await debug.breakAt({ code }, 4);
    const running = execute(code);
    await debug.stopped();
    await kernel.client.interrupt();
    assert.is((await running).reply.content.ename, "KeyboardInterrupt");
    assert.is(await runs("console.log(done)"), "begun\n");
    await debug.breakAt({ code });
  }
  assert.equal((await debug.ask("debugInfo")).stoppedThreads, []);
});

test("a paused kernel answers heartbeats, questions and other requests", async () => {
  const code = "const halt = 1;\nconsole.log(halt);";
  await debug.breakAt({ code }, 2);
  const running = execute(code);
  await debug.stopped();
  assert.ok(await kernel.client.heartbeat(1000));
  assert.is((await kernel.client.request("control", "kernel_info_request")).content.status, "ok");
  assert.equal((await debug.ask("debugInfo")).stoppedThreads, [1]);
  assert.equal(await debug.ask("threads"), { threads: [{ id: 1, name: "main" }] });
  const { variables } = await debug.ask<{ variables: DapVariable[] }>("inspectVariables");
  assert.ok(variables.some(({ name }) => name === "total"));
  await debug.ask("continue");
  await running;
  await debug.breakAt({ code });
});

test("a local becomes a variable of the notebook; variables are set", async () => {
  const code = "function inner(a: number, o = { deep: [1] }) {\n  console.log(a, o.deep);\n}\ninner(41);";
  await debug.breakAt({ code }, 2);
  const running = execute(code);
  await debug.stopped();
  const [{ id: frameId }] = await debug.frames();
  await debug.ask("copyToGlobals", { srcVariableName: "a", dstVariableName: "kept", srcFrameId: frameId });
  const { data } = await debug.ask<{ data: Json }>("richInspectVariables", { variableName: "o", frameId });
  assert.match(String(data["text/plain"]), /deep/);
  const { scopes } = await debug.ask<{ scopes: DapScope[] }>("scopes", { frameId });
  const scope = scopes[0].variablesReference;
  await debug.ask("setVariable", { variablesReference: scope, name: "a", value: "a + 1" });
  const { o } = await debug.variables("Locals");
  await debug.ask("setVariable", { variablesReference: o.variablesReference, name: "deep", value: "[a]" });
  await debug.ask("continue");
  assert.is(printed(await running), "42 [ 42 ]\n");
  assert.is(await runs("console.log(kept + 1)"), "42\n");
  await debug.breakAt({ code });
});

test("what is no proper request is refused with a sentence, and does no harm", async () => {
  for (const [command, args] of [
    [undefined, {}],
    [7, null],
    ["nothing", {}],
    ["dumpCell", {}],
    ["setBreakpoints", { source: 3, breakpoints: [{ line: "x" }] }],
    ["setBreakpoints", { source: { path: "/x.ts" }, breakpoints: "all" }],
    ["variables", { variablesReference: 999999 }],
    ["variables", { variablesReference: "x" }],
    ["scopes", { frameId: 12345 }],
    ["evaluate", { expression: "undefinedName" }],
    ["evaluate", { expression: "1 +" }],
    ["stackTrace", { startFrame: "a" }],
    ["next", {}],
    ["source", { source: { path: "/nowhere.ts" } }],
    ["copyToGlobals", { srcVariableName: "1", dstVariableName: "not a name" }],
    ["richInspectVariables", {}],
    ["toString", {}],
  ] as [unknown, unknown][]) {
    const { success, message } = await debug.respond(command, args);
    assert.is(success, false, `${command} ${JSON.stringify(args)}`);
    assert.ok(String(message).length > 5, String(message));
  }
  assert.is(await runs("console.log('well')"), "well\n");
});

test("after disconnect nothing stops, and functions go on", async () => {
  await debug.breakAt({ code: SUM }, 7);
  const running = execute(SUM);
  await debug.stopped();
  await debug.ask("disconnect", { restart: false });
  assert.is(printed(await running), "2\n6\n12\n");
  assert.is(await runs(SUM), "2\n6\n12\n");
  assert.ok(await debug.runsOn(50));
  const info = await debug.ask("debugInfo");
  assert.equal([info.isStarted, info.breakpoints], [false, []]);
  // Cells of before are known to the next session.
  await debug.attach();
  await debug.breakAt({ code: SUM }, 8);
  const again = execute("add(1)");
  await debug.stopped();
  assert.is(await debug.where(), "add:8");
  await debug.ask("disconnect");
  await again;
});

test("breakpoints that are set while the compiler is at work do not get in its way", async () => {
  const other = await startKernel({ cwd: folder });
  try {
    const debug = openDebugger(other);
    await debug.attach();
    let ended = false;
    // The first cell, whose compiler reads the declarations of the language and of Node.
    const running = other.client.execute("const n: number = 1;\nn + 1").finally(() => {
      ended = true;
    });
    const code = "const s = 'two lines';\nfor (const c of s) {\n  console.log(c);\n}";
    let times = 0;
    for (; !ended; times++) {
      const set = await debug.breakAt({ code: `${code}\n// ${times}` }, 3);
      assert.equal(
        set.map(({ line }) => line),
        [3],
      );
    }
    assert.ok(times > 0);
    const { reply } = await running;
    assert.is(reply.content.status, "ok", JSON.stringify(reply.content));
    const { reply: next } = await other.client.execute("n + 2");
    assert.is(next.content.status, "ok", JSON.stringify(next.content));
  } finally {
    await other.stop();
  }
});

test("a paused kernel shuts down at once", async () => {
  await debug.attach();
  const code = "let ended = 1;\nended = 2;";
  await debug.breakAt({ code }, 2);
  execute(code).catch(() => {});
  await debug.stopped();
  const started = Date.now();
  const reply = await kernel.client.request("control", "shutdown_request", { restart: false });
  assert.is(reply.content.status, "ok");
  await kernel.stop();
  assert.ok(Date.now() - started < 1500);
  await fresh();
});

test.run();
