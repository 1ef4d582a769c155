/** Where Jupyter looks for kernels. */
import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** The user's own data folder of Jupyter. */
export function userDataFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.JUPYTER_DATA_DIR) return env.JUPYTER_DATA_DIR;
  if (process.platform === "darwin") return join(homedir(), "Library/Jupyter");
  if (process.platform === "win32") return join(env.APPDATA ?? homedir(), "jupyter");
  return join(env.XDG_DATA_HOME || join(homedir(), ".local/share"), "jupyter");
}

/** The Python behind `jupyter`, by its prefix; undefined where there is no Jupyter. */
export function systemPrefix(): string | undefined {
  for (const python of ["python3", "python"]) {
    const code = "import sys, jupyter_core; print(sys.prefix)";
    const { status, stdout } = spawnSync(python, ["-c", code], { encoding: "utf8" });
    if (status === 0) return stdout.trim();
  }
  return undefined;
}

/** All folders that Jupyter searches, in its order; the usual ones where Jupyter itself cannot be asked. */
export function dataFolders(): string[] {
  const asked = spawnSync("jupyter", ["--paths", "--json"], { encoding: "utf8" });
  if (asked.status === 0) {
    try {
      return (JSON.parse(asked.stdout) as { data: string[] }).data;
    } catch {
      // An old Jupyter: the usual ones.
    }
  }
  const given = (process.env.JUPYTER_PATH ?? "").split(delimiter).filter((path) => path !== "");
  const system =
    process.platform === "win32"
      ? [join(process.env.PROGRAMDATA ?? "C:\\ProgramData", "jupyter")]
      : ["/usr/local/share/jupyter", "/usr/share/jupyter"];
  return [...given, userDataFolder(), ...system];
}

/** Jupyter's front ends on this machine. */
export function frontEnd(): { command: string; args: string[]; name: string } | undefined {
  const has = (...args: string[]) => spawnSync("jupyter", args, { stdio: "ignore" }).status === 0;
  if (has("lab", "--version")) return { command: "jupyter", args: ["lab"], name: "JupyterLab" };
  if (has("notebook", "--version"))
    return { command: "jupyter", args: ["notebook"], name: "Jupyter Notebook" };
  return undefined;
}
