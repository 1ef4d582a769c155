/** The client and how it starts kernels, with our own kernel. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type KernelOptions, type KernelProcess, startKernel } from "../../kernel/client/process.ts";
import { rejects, temporaryFolder } from "../io/helpers.ts";
import { build, kernelMain } from "./helpers.ts";

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

test.run();
