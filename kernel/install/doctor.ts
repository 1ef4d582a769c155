/** Says what is wrong with an installation, and how to mend it. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isBuilt, isCheckout, kernelProgram, packageRoot } from "./build.ts";
import { listKernels, problemOf } from "./kernelspec.ts";
import { dataFolders, frontEnd } from "./paths.ts";

export interface Finding {
  readonly level: "ok" | "warning" | "problem";
  readonly sentence: string;
}

const NEEDED_NODE = [20, 19];

export const HOW_TO_GET_JUPYTER =
  'JupyterLab comes with "pip install jupyterlab"; Visual Studio Code opens notebooks with its Jupyter extension.';

const ok = (sentence: string): Finding => ({ level: "ok", sentence });
const warning = (sentence: string): Finding => ({ level: "warning", sentence });
const problem = (sentence: string): Finding => ({ level: "problem", sentence });

function checkNode(): Finding {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const enough = major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1]);
  return enough
    ? ok(`Node.js ${process.versions.node}`)
    : problem(`Node.js ${process.versions.node} is too old: ${NEEDED_NODE.join(".")} or newer is needed`);
}

async function checkPackage(name: string): Promise<Finding> {
  const require = createRequire(import.meta.url);
  try {
    const { version } = require(`${name}/package.json`) as { version: string };
    if (name === "zeromq") require(name);
    if (name === "tslab") {
      const { TSLAB_VERSION } = await import("../engine/tslab.ts");
      if (version !== TSLAB_VERSION)
        return problem(
          `tslab ${version} is installed, but the kernel leans on ${TSLAB_VERSION}: npm install`,
        );
    }
    return ok(`${name} ${version}`);
  } catch (error) {
    return problem(`${name} does not load (${(error as Error).message.split("\n")[0]}): npm install`);
  }
}

function checkBuild(): Finding {
  const root = packageRoot();
  if (isBuilt(root)) return ok(`kernel at ${kernelProgram(root)}`);
  if (!existsSync(kernelProgram(root))) return problem(`${root} is not built: npm run build`);
  return isCheckout(root)
    ? warning(`the build in ${root} is older than its sources: npm run build`)
    : ok(root);
}

/** Whether JupyterLab has what shows widgets; it comes with a package for Python. */
function checkWidgets(): Finding {
  const extension = join("labextensions", "@jupyter-widgets", "jupyterlab-manager");
  const place = dataFolders().find((folder) => existsSync(join(folder, extension)));
  return place
    ? ok(`ipywidgets' front end in ${place}`)
    : warning('JupyterLab shows widgets as text; with "pip install ipywidgets" they can be moved');
}

async function checkKernelspecs(): Promise<Finding[]> {
  const own = (await listKernels()).filter(({ path }) => path !== undefined);
  if (own.length === 0) return [warning("no kernel is installed for Jupyter: npx ditlab kernel install")];
  return own.map((kernel) => {
    const wrong = problemOf(kernel);
    return wrong
      ? problem(`kernel "${kernel.name}" in ${kernel.folder}: ${wrong}`)
      : ok(`kernel "${kernel.name}" in ${kernel.folder}, of ${kernel.path}`);
  });
}

/** Starts the kernel and runs a cell. */
async function checkStart(): Promise<Finding> {
  const started = performance.now();
  try {
    const { startKernel } = await import("../client/process.ts");
    const kernel = await startKernel({ argv: [process.execPath, kernelProgram(), "{connection_file}"] });
    try {
      const { reply, outputs } = await kernel.client.execute("1 + 1");
      const result = outputs.find(({ header }) => header.msg_type === "execute_result");
      const shown = (result?.content.data as Record<string, unknown> | undefined)?.["text/plain"];
      if (reply.content.status !== "ok" || shown !== "2")
        return problem(`1 + 1 gave ${shown ?? reply.content.evalue}`);
      return ok(
        `the kernel started and ran a cell in ${((performance.now() - started) / 1000).toFixed(2)} s`,
      );
    } finally {
      await kernel.stop();
    }
  } catch (error) {
    return problem((error as Error).message);
  }
}

export async function examine(): Promise<Finding[]> {
  const packages = await Promise.all(["typescript", "tslab", "zeromq"].map(checkPackage));
  const findings = [checkNode(), ...packages, checkBuild()];
  const jupyter = frontEnd();
  findings.push(
    jupyter ? ok(`${jupyter.name} is there`) : warning(`no Jupyter was found. ${HOW_TO_GET_JUPYTER}`),
  );
  if (jupyter) findings.push(checkWidgets());
  findings.push(...(await checkKernelspecs()));
  if (existsSync(kernelProgram())) findings.push(await checkStart());
  return findings;
}
