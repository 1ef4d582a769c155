/** `ditlab kernel`: the kernel in Jupyter. */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { Command, Option } from "commander";
import { DISPLAY_NAME, KERNEL_NAME } from "../install/build.ts";

interface InstallFlags {
  user?: boolean;
  prefix?: string;
  sysPrefix?: boolean;
  name: string;
  displayName: string;
}

const say = (sentence: string) => process.stdout.write(`${sentence}\n`);
const building = () => process.stderr.write("Building the package once …\n");

async function install({ prefix, sysPrefix, name, displayName }: InstallFlags): Promise<void> {
  const { ensureBuilt } = await import("../install/build.ts");
  const { installKernel } = await import("../install/kernelspec.ts");
  const { systemPrefix, userDataFolder } = await import("../install/paths.ts");
  ensureBuilt(building);
  let dataFolder = userDataFolder();
  if (prefix !== undefined) dataFolder = join(resolve(prefix), "share/jupyter");
  else if (sysPrefix) {
    const found = systemPrefix();
    if (!found)
      throw new Error("--sys-prefix: no Python with Jupyter was found; use --user or --prefix <folder>");
    dataFolder = join(found, "share/jupyter");
  }
  say(`Installed the kernel "${name}" in ${await installKernel({ dataFolder, name, displayName })}`);
  await prepareFirstStart();
}

/** Compiles the compiler for the first start, which is then as fast as all others. */
async function prepareFirstStart(): Promise<void> {
  const { createEngine } = await import("../engine/engine.ts");
  const engine = createEngine({ folder: tmpdir(), globals: [] });
  engine.warm();
  engine.saveCaches();
  engine.close();
}

async function uninstall({ name, prefix }: { name: string; prefix?: string }): Promise<void> {
  const { uninstallKernel } = await import("../install/kernelspec.ts");
  const removed = await uninstallKernel(
    name,
    prefix === undefined ? undefined : [join(resolve(prefix), "share/jupyter")],
  );
  if (removed.length === 0) throw new Error(`no kernel named "${name}" is installed`);
  for (const folder of removed) say(`Removed ${folder}`);
}

async function list(): Promise<void> {
  const { listKernels, problemOf } = await import("../install/kernelspec.ts");
  const kernels = await listKernels();
  if (kernels.length === 0) say("No kernels are installed.");
  const width = Math.max(0, ...kernels.map(({ name }) => name.length));
  for (const kernel of kernels) {
    const wrong = problemOf(kernel);
    const mark = kernel.path === undefined ? " " : wrong ? "!" : "*";
    say(
      `${mark} ${kernel.name.padEnd(width)}  ${kernel.displayName}  ${kernel.folder}${wrong ? `\n  ${wrong}` : ""}`,
    );
  }
  if (kernels.some(({ path }) => path !== undefined)) say("\n* a kernel of ditlab");
}

async function doctor(): Promise<void> {
  const { examine } = await import("../install/doctor.ts");
  const findings = await examine();
  const marks = { ok: "ok     ", warning: "warning", problem: "PROBLEM" };
  for (const { level, sentence } of findings) say(`${marks[level]}  ${sentence}`);
  process.exit(findings.some(({ level }) => level === "problem") ? 1 : 0);
}

/** Opens a folder in JupyterLab (or the classic Notebook) with the kernel, which need not be installed. */
async function lab(folder: string | undefined, words: string[]): Promise<void> {
  const { ensureBuilt, packageRoot } = await import("../install/build.ts");
  const { HOW_TO_GET_JUPYTER } = await import("../install/doctor.ts");
  const { installKernel } = await import("../install/kernelspec.ts");
  const { frontEnd } = await import("../install/paths.ts");
  const found = frontEnd();
  if (!found) throw new Error(`no Jupyter was found. ${HOW_TO_GET_JUPYTER}`);
  ensureBuilt(building);
  const data = await mkdtemp(join(tmpdir(), "ditlab-jupyter-"));
  await installKernel({ dataFolder: data, name: KERNEL_NAME, displayName: DISPLAY_NAME });
  const path = [data, process.env.JUPYTER_PATH].filter(Boolean).join(delimiter);
  const place = resolve(folder ?? join(packageRoot(), "notebooks"));
  const args = [...found.args, ...words, place];
  const server = spawn(found.command, args, {
    stdio: "inherit",
    env: { ...process.env, JUPYTER_PATH: path },
  });
  // Ctrl-C reaches Jupyter by itself, and it asks before it ends.
  process.on("SIGINT", () => {});
  for (const signal of ["SIGTERM", "SIGHUP"] as const) process.on(signal, () => server.kill(signal));
  const code = await new Promise<number>((done) => server.once("close", (status) => done(status ?? 1)));
  await rm(data, { recursive: true, force: true });
  process.exit(code);
}

export const kernelCommand = (): Command =>
  new Command("kernel")
    .description("the TypeScript kernel in Jupyter")
    .addCommand(
      new Command("install")
        .description(
          "tell Jupyter of the kernel; it works from any folder, and after the project has been moved",
        )
        .option("--user", "for this user (the default)")
        .addOption(
          new Option("--prefix <folder>", "in <folder>/share/jupyter").conflicts(["user", "sysPrefix"]),
        )
        .addOption(
          new Option("--sys-prefix", "in the environment of the Python that has Jupyter").conflicts("user"),
        )
        .option("--name <name>", "the kernel's name", KERNEL_NAME)
        .option("--display-name <text>", "the name that front ends show", DISPLAY_NAME)
        .action(install),
    )
    .addCommand(
      new Command("uninstall")
        .description("remove the kernel from Jupyter")
        .option("--prefix <folder>", "from <folder>/share/jupyter (default: wherever Jupyter finds it)")
        .option("--name <name>", "the kernel's name", KERNEL_NAME)
        .action(uninstall),
    )
    .addCommand(new Command("list").description("the kernels that Jupyter finds").action(list))
    .addCommand(
      new Command("doctor")
        .description("say what is wrong, and how to mend it; starts the kernel once")
        .action(doctor),
    )
    .addCommand(
      new Command("lab")
        .description("open notebooks in JupyterLab with this kernel, without installing it")
        .argument("[folder]", "where to start (default: the notebooks of this package)")
        .argument("[words...]", "what Jupyter's own command line is to have, after the folder and --")
        .action(lab),
    );
