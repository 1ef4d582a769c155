/** One name puts a process on a device. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { commandLine } from "../../lib/cli/main.ts";
import { unsupported } from "../../lib/devices/tensorflow/record.ts";
import { installCommand } from "../../lib/package.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { drivers, hasPackages, linesOf, NO_DRIVER, run } from "./helpers.ts";

interface Outcome {
  took?: string;
  error?: string;
  current: string;
  eager: string;
  target: string;
  values: number[];
}
const ON_CPU = { current: "cpu", eager: "cpu", target: "cpu", values: [3, 5] };
const OPTIONAL = ["webgpu", "@tensorflow/tfjs-backend-webgpu", "@tensorflow/tfjs-backend-wasm"];
const BOTH = ["webgpu", "@tensorflow/tfjs-backend-webgpu"];

const outcomes = (names: string[], env: Record<string, string> = {}, imports: string[] = []) =>
  linesOf<Outcome>("use-device-child.ts", names, env, imports);

/** What is said on stderr, beside the outcomes; nothing is remembered from other processes. */
async function told(names: string[], env: Record<string, string>, imports: string[] = []) {
  const { code, lines, stderr } = await run(
    "use-device-child.ts",
    names,
    { DITLAB_HOME: await temporaryFolder(), ...env },
    imports,
  );
  assert.is(code, 0, stderr);
  return { lines: lines as Outcome[], stderr };
}

test("cpu is there, and an unknown device is named", async () => {
  const [cpu, gpu] = await outcomes(["cpu", "gpu"]);
  assert.equal(cpu, { took: "cpu", ...ON_CPU });
  assert.equal(gpu, {
    error: "unknown device 'gpu'; expected one of cpu, wasm, tensorflow, webgpu, cuda, auto",
    ...ON_CPU,
  });
});

test("a device whose packages are missing names them and the command that installs them", async () => {
  const nothing = { HIDE: OPTIONAL.join(), DITLAB_HOME: await temporaryFolder() };
  const found = await outcomes(["wasm", "tensorflow", "webgpu"], nothing, ["hide.mjs"]);
  const needs = (device: string, what: string, command: string) => ({
    error: `device '${device}' cannot be used: it needs ${what} not installed: ${command}`,
    ...ON_CPU,
  });
  const wasm = "@tensorflow/tfjs-backend-wasm";
  assert.equal(found, [
    needs("wasm", `the package ${wasm}, which is`, installCommand([wasm])),
    {
      error: `device 'tensorflow' cannot be used: ${
        unsupported() === undefined
          ? "it needs TensorFlow's library, which is not set up: npx ditlab setup tensorflow"
          : `${unsupported()}: take another device`
      }`,
      ...ON_CPU,
    },
    needs(
      "webgpu",
      "the packages webgpu and @tensorflow/tfjs-backend-webgpu, which are",
      installCommand(BOTH),
    ),
  ]);
  // With one of the two, both are named in the command: they belong together.
  if (!hasPackages) return;
  const [half] = await outcomes(["webgpu"], { HIDE: OPTIONAL[1] }, ["hide.mjs"]);
  assert.equal(half, needs("webgpu", `the package ${OPTIONAL[1]}, which is`, installCommand(BOTH)));
});

test("without a name: cpu where no package for another is installed, and nothing is said", async () => {
  const { lines, stderr } = await told(["-", "auto"], { HIDE: OPTIONAL.join() }, ["hide.mjs"]);
  assert.equal(lines, [
    { took: "cpu", ...ON_CPU },
    { took: "cpu", ...ON_CPU },
  ]);
  assert.is(stderr, "");
});

test("DITLAB_DEVICE decides where no name is given, and what it cannot have is said once", async () => {
  const hidden = { HIDE: OPTIONAL.join() };
  const wanted = await told(["-", "auto", "cpu"], { DITLAB_DEVICE: "wasm", ...hidden }, ["hide.mjs"]);
  assert.equal(wanted.lines, Array(3).fill({ took: "cpu", ...ON_CPU }));
  assert.is(
    wanted.stderr,
    `ditlab: DITLAB_DEVICE=wasm is not to be had, running on cpu: device 'wasm' cannot be used: it needs the package @tensorflow/tfjs-backend-wasm, which is not installed: ${installCommand(["@tensorflow/tfjs-backend-wasm"])}`,
  );
  const [wrong] = (await told(["-"], { DITLAB_DEVICE: "gpu" })).lines;
  assert.is(
    wrong.error,
    "DITLAB_DEVICE is 'gpu', no device; expected one of cpu, wasm, tensorflow, webgpu, cuda, auto",
  );
});

test("commands that compute have --device, and go by DITLAB_DEVICE without it", async () => {
  const known = commandLine();
  const commandOf = (...path: string[]) =>
    path.reduce((command, name) => command.commands.find((sub) => sub.name() === name)!, known);
  for (const path of [
    ["demo"],
    ["train"],
    ["sample"],
    ["evaluate"],
    ["prepare", "latents"],
    ["prepare", "reference"],
  ])
    assert.ok(
      commandOf(...path).options.some(({ long }) => long === "--device"),
      path.join(" "),
    );
  const wrong = await run("ditlab", ["sample", "nowhere", "--device", "gpu"]);
  assert.is(wrong.code, 2);
  assert.match(wrong.stderr, /Allowed choices are cpu, wasm, tensorflow, webgpu, cuda, auto/);
  const env = { HIDE: OPTIONAL.join() };
  const named = await run("ditlab", ["sample", "nowhere", "--device", "wasm"], env, ["hide.mjs"]);
  assert.is(named.code, 1);
  assert.match(named.stderr, /^ditlab: device 'wasm' cannot be used: it needs the package/);
  // The environment's is said, and the command goes on.
  const wanted = await run("ditlab", ["sample", "nowhere"], { ...env, DITLAB_DEVICE: "wasm" }, ["hide.mjs"]);
  assert.match(
    wanted.stderr,
    /^ditlab: DITLAB_DEVICE=wasm is not to be had, running on cpu: .+\nditlab: .*nowhere/,
  );
});

if (!hasPackages) test.skip("devices with the packages for webgpu (they are not installed)", () => {});
else {
  test("half of what webgpu needs is no reason to fail, but said", async () => {
    const { lines, stderr } = await told(["auto"], { HIDE: "webgpu" }, ["hide.mjs"]);
    assert.equal(lines, [{ took: "cpu", ...ON_CPU }]);
    assert.is(
      stderr,
      `ditlab: running on cpu: @tensorflow/tfjs-backend-webgpu is installed, but webgpu needs webgpu too: ${installCommand(BOTH)}`,
    );
  });

  test("webgpu without a driver: asked for it fails, by itself it is left, and one line says so", async () => {
    const { lines, stderr } = await told(["webgpu", "-", "auto"], NO_DRIVER);
    const [named, ...others] = lines;
    assert.match(named.error ?? "", /^device 'webgpu' cannot be used: .+: .+/);
    assert.equal({ ...named, error: undefined }, { ...ON_CPU, error: undefined });
    assert.equal(others, Array(2).fill({ took: "cpu", ...ON_CPU }));
    assert.match(stderr, /^ditlab: running on cpu: webgpu does not work here: .*no GPU was found[^\n]*$/);
    const byEnvironment = await told(["-"], { ...NO_DRIVER, DITLAB_DEVICE: "webgpu" });
    assert.equal(byEnvironment.lines, [{ took: "cpu", ...ON_CPU }]);
    assert.match(
      byEnvironment.stderr,
      /^ditlab: DITLAB_DEVICE=webgpu is not to be had, running on cpu: [^\n]+$/,
    );
  });
}

for (const { name, env, missing } of drivers) {
  if (missing) {
    test.skip(`${name}: a process on webgpu (${missing} is not installed)`, () => {});
    continue;
  }
  test(`${name}: asked for by name it is taken, and left again`, async () => {
    const on = { current: "webgpu", eager: "webgpu", target: "webgpu", values: [3, 5] };
    const names = ["webgpu", "cpu", "webgpu"];
    const { lines, stderr } = await told(names, env);
    assert.equal(lines, [
      { took: "webgpu", ...on },
      { took: "cpu", ...ON_CPU },
      { took: "webgpu", ...on },
    ]);
    assert.is(stderr, "");
    const [wanted] = await outcomes(["-"], { ...env, DITLAB_DEVICE: "webgpu" });
    assert.equal(wanted, { took: "webgpu", ...on });
  });

  test(`${name}: a processor that plays a GPU is never taken by itself`, async () => {
    const DITLAB_HOME = await temporaryFolder();
    // The second process remembers what the first has found.
    for (let i = 0; i < 2; i++) {
      const { lines, stderr } = await told(["-", "auto"], { ...env, DITLAB_HOME });
      assert.equal(lines, Array(2).fill({ took: "cpu", ...ON_CPU }));
      assert.match(
        stderr,
        /^ditlab: running on cpu: the GPU here, [^\n]+, is played by the processor; [^\n]+$/,
      );
    }
  });
}

test.run();
