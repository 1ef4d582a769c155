/** The notebook side of the `ditlab` command. */
import { Command } from "commander";
import { packageVersion } from "../install/build.ts";
import { kernelCommand } from "./kernel.ts";
import { joinParameters, notebookCommand } from "./notebook.ts";

/** The commands of this side; what they do is loaded when they are run. */
export const commands = (): Command[] => [notebookCommand(), kernelCommand()];

/** Runs one of them. */
export async function main(): Promise<void> {
  try {
    const program = new Command("ditlab")
      .version(packageVersion())
      .showHelpAfterError("(--help shows the options)")
      .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));
    for (const command of commands()) {
      command.copyInheritedSettings(program);
      for (const part of command.commands) part.copyInheritedSettings(program);
      program.addCommand(command);
    }
    await program.parseAsync(joinParameters(process.argv));
  } catch (error) {
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    process.stderr.write(`\nditlab: ${process.env.DITLAB_DEBUG ? stack : message}\n`);
    process.exit(1);
  }
}
