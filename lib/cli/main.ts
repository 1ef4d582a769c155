/** The `ditlab` command. */
import { Command } from "commander";
import { packageVersion } from "../package.ts";
import { convertCommand } from "./convert.ts";
import { demoCommand } from "./demo.ts";
import { devicesCommand } from "./devices.ts";
import { downloadCommand } from "./download.ts";
import { evaluateCommand } from "./evaluate.ts";
import { EXIT, fail } from "./exit.ts";
import { prepareCommand } from "./prepare.ts";
import { probeCommand } from "./probe.ts";
import { profileCommand } from "./profile.ts";
import { reproduceCommand } from "./reproduce.ts";
import { sampleCommand } from "./sample.ts";
import { setupCommand } from "./setup.ts";
import { trainCommand } from "./train.ts";
import { watchCommand } from "./watch.ts";
import { workerCommand } from "./worker.ts";

/** A command, and those below it, with its parent's way of ending. */
function inherited(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherited(child, command);
  return command;
}

/** The command with all its commands; `more` are those that are not the library's. */
export function commandLine(more: readonly Command[] = []): Command {
  const program = new Command("ditlab")
    .description("Diffusion transformers that teach themselves (SRA): train, sample and measure in Node.")
    .version(packageVersion)
    .showHelpAfterError("(--help shows the options)")
    .addHelpText(
      "after",
      `
Exit codes: ${EXIT.ok} done, ${EXIT.failure} failed, ${EXIT.usage} wrong usage, ${EXIT.interrupted} stopped by Ctrl-C after saving.`,
    )
    .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.usage));

  const own = [
    demoCommand(),
    trainCommand(),
    sampleCommand(),
    evaluateCommand(),
    downloadCommand(),
    convertCommand(),
    prepareCommand(),
    probeCommand(),
    profileCommand(),
    reproduceCommand(),
    workerCommand(),
    watchCommand(),
    devicesCommand(),
    setupCommand(),
  ];
  for (const command of [...own, ...more]) program.addCommand(inherited(command, program));
  return program;
}

export async function main(more: readonly Command[] = []): Promise<void> {
  await commandLine(more).parseAsync().catch(fail);
}
