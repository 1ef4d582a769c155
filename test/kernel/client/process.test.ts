/** The client and how it starts kernels, with our own kernel. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelOptions, type KernelProcess, startKernel } from "../../../kernel/client/process.ts";
import { rejects, temporaryFolder } from "../../io/helpers.ts";
import { build, kernelMain } from "../helpers.ts";

build();

const kernels: KernelProcess[] = [];

/** A kernel that is stopped after the test, also when that fails: it would keep this process alive. */
async function started(options?: KernelOptions): Promise<KernelProcess> {
  const kernel = await startKernel(options);
  kernels.push(kernel);
  return kernel;
}

test.after.each(async () => {
  await Promise.all(kernels.splice(0).map(({ stop }) => stop()));
});

async function evaluate({ client }: KernelProcess, code: string): Promise<string> {
  const { outputs } = await client.execute(code);
  const result = outputs.find(({ header }) => header.msg_type === "execute_result");
  return (result?.content.data as Record<string, string>)["text/plain"];
}

test("many kernels start at once", async () => {
  const all = await Promise.all([1, 2, 3].map(() => started()));
  assert.equal(await Promise.all(all.map((kernel, i) => evaluate(kernel, `${i} + 10`))), ["10", "11", "12"]);
  assert.ok(await all[0].client.heartbeat(2000));
});

test("a kernel whose port somebody took meanwhile is started again", async () => {
  const folder = await temporaryFolder();
  const launcher = join(folder, "launcher.mjs");
  await writeFile(
    launcher,
    `import { appendFileSync, readFileSync } from "node:fs";
appendFileSync("attempts", process.argv[2] + "\\n");
if (readFileSync("attempts", "utf8").split("\\n").length > 2) await import(${JSON.stringify(pathToFileURL(kernelMain))});
else throw new Error("cannot listen: Address already in use");`,
  );
  const argv = [process.execPath, launcher, "{connection_file}"];
  assert.is(await evaluate(await started({ argv, cwd: folder }), "6 * 7"), "42");
  const always = [process.execPath, "-e", "throw new Error('EADDRINUSE')"];
  await rejects(startKernel({ argv: always }), /the kernel ended .*EADDRINUSE/s);
});

test("a kernel that does not start is told with what it said", async () => {
  const argv = [process.execPath, "-e", "console.error('broken pieces'); process.exit(3)"];
  await rejects(startKernel({ argv }), /the kernel ended \(exit code 3\); it said: broken pieces/);
  await rejects(startKernel({ argv: ["/nonexistent/program"] }), /ENOENT/);
  await rejects(
    startKernel({ cwd: "/nonexistent/folder" }),
    /the folder for the kernel, \/nonexistent\/folder/,
  );
});

test("input is asked of the client that can answer", async () => {
  const kernel = await started();
  const { reply } = await kernel.client.execute(
    'if ((await input("q", { password: true })) !== "a") throw 1',
    {
      onInput: async (prompt, password) => (prompt === "q" && password ? "a" : "b"),
    },
  );
  assert.is(reply.content.status, "ok");
});

test("what holds state that was given away finishes before its cell stops; a second stop gives it up", async () => {
  const kernel = await started();
  const { client } = kernel;
  // Neither a timer nor a function of the cell, which would be stopped with it: like native code, it goes on.
  await client.execute(
    `const sleep = (ms: number): Promise<string> =>
       (Atomics as any).waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms).value;
     const step = (ms: number) => Object.assign(sleep(ms), { [Symbol.for("Jupyter.finish")]: true });
     let [state, steps] = ["old", 0];`,
  );
  const stopped = async (code: string, times: number): Promise<unknown> => {
    let interrupts: Promise<void> | undefined;
    const interrupt = async (): Promise<void> => {
      for (let i = 0; i < times; i++) {
        // The cell has come to its await by then.
        await new Promise((resolve) => setTimeout(resolve, 200));
        await client.interrupt();
      }
    };
    const { reply } = await client.execute(code, {
      onOutput: ({ header }) => {
        if (header.msg_type === "stream") interrupts ??= interrupt();
      },
    });
    await interrupts;
    return reply.content.ename;
  };
  const loop = `while (true) { console.log("begins"); state = await step(1500); state = "new"; steps++; }`;
  assert.is(await stopped(loop, 1), "KeyboardInterrupt");
  assert.is(await evaluate(kernel, "[state, steps]"), await evaluate(kernel, '["new", 1]'));
  const endless = `console.log("begins"); state = await step(60_000);`;
  assert.is(await stopped(endless, 2), "KeyboardInterrupt");
  assert.is(await evaluate(kernel, "state"), await evaluate(kernel, '"new"'));
});

test.run();
