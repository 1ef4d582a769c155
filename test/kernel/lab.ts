/** JupyterLab with the kernel installed, in headless Chromium. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Browser, chromium, type Page } from "playwright-core";
import { installKernel } from "../../kernel/install/kernelspec.ts";
import { type Notebook, writeNotebook } from "../../kernel/notebook/format.ts";
import { temporaryFolder } from "../io/helpers.ts";
import { build } from "./helpers.ts";

export const CHROMIUM = "/usr/bin/chromium";
/** Where JupyterLab is: named by the environment, or on the path. */
const LAB = process.env.DITLAB_TEST_JUPYTERLAB ?? "jupyter-lab";

const hasWidgets = (): boolean => {
  const { stdout, stderr, status } = spawnSync(
    LAB.replace(/jupyter-lab$/, "jupyter-labextension"),
    ["list"],
    {
      encoding: "utf8",
    },
  );
  return status === 0 && `${stdout}${stderr}`.includes("@jupyter-widgets/jupyterlab-manager");
};

/** Whether there is a JupyterLab 4 with ipywidgets' front end, and a browser. */
export const labAvailable = existsSync(CHROMIUM) && hasWidgets();

export const launchChromium = (): Promise<Browser> =>
  chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
  });

/** A notebook of code cells. */
export const codeNotebook = (sources: readonly string[]): Notebook => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: { kernelspec: { name: "ditlab", display_name: "TypeScript (ditlab)", language: "typescript" } },
  cells: sources.map((source, i) => {
    return { cell_type: "code", id: `c${i}`, metadata: {}, source, outputs: [], execution_count: null };
  }),
});

export interface Lab {
  readonly page: Page;
  /** The notebook's file. */
  readonly file: string;
  /** Calls a command of JupyterLab. */
  command(name: string): Promise<void>;
  /** Loads the page again, and waits until the notebook is connected to its kernel. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });

async function untilAnswers(url: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await fetch(url);
      return;
    } catch (error) {
      if (tries > 240) throw error;
      await sleep(500);
    }
  }
}

/** Opens a notebook in JupyterLab. */
export async function openInLab(sources: readonly string[]): Promise<Lab> {
  build();
  const folder = await temporaryFolder();
  const file = join(folder, "n.ipynb");
  await writeNotebook(file, codeNotebook(sources));
  const data = join(folder, ".data");
  await installKernel({ dataFolder: data, name: "ditlab", displayName: "TypeScript (ditlab)" });
  const port = await freePort();
  // Nobody is there to answer whether to get news.
  const settings = join(folder, ".settings/@jupyterlab/apputils-extension");
  mkdirSync(settings, { recursive: true });
  writeFileSync(
    join(settings, "notification.jupyterlab-settings"),
    '{ "fetchNews": "false", "checkForUpdates": false }',
  );
  const env = {
    ...process.env,
    ...{ HOME: folder, JUPYTER_DATA_DIR: data, JUPYTER_CONFIG_DIR: join(folder, ".config") },
    ...{ JUPYTER_RUNTIME_DIR: join(folder, ".runtime"), JUPYTERLAB_SETTINGS_DIR: join(folder, ".settings") },
    ...{
      JUPYTERLAB_WORKSPACES_DIR: join(folder, ".workspaces"),
      PATH: `${dirname(LAB)}:${process.env.PATH}`,
    },
  };
  const options = ["--no-browser", "--allow-root", `--port=${port}`, "--ip=127.0.0.1"];
  const open = ["--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True"];
  const server: ChildProcess = spawn(LAB, [...options, ...open], { cwd: folder, env, stdio: "ignore" });
  let browser: Browser | undefined;
  const close = async (): Promise<void> => {
    await browser?.close();
    // Its kernels end with it.
    if (server.exitCode === null && server.kill("SIGTERM")) await once(server, "exit");
  };
  try {
    const address = `http://127.0.0.1:${port}`;
    await untilAnswers(`${address}/api`);
    browser = await launchChromium();
    const page = await browser.newPage({ viewport: { width: 1100, height: 1500 } });
    const connected = async (): Promise<void> => {
      await page.waitForFunction(
        `jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.connectionStatus === "connected"
          && jupyterapp.shell.currentWidget.sessionContext.isReady`,
        undefined,
        { timeout: 90_000 },
      );
    };
    await page.goto(`${address}/lab/tree/n.ipynb`);
    await connected();
    return {
      page,
      file,
      command: (name) =>
        page.evaluate(`jupyterapp.commands.execute(${JSON.stringify(name)}).then(() => undefined)`),
      async reload() {
        await page.reload();
        await connected();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
