import { Command } from "commander";
import { devices } from "../devices/index.ts";
import { jsonOption } from "./options.ts";

interface Options {
  json?: boolean;
}

export const devicesCommand = (): Command =>
  new Command("devices")
    .description(
      "try every device of this machine: what it is, whether it works, how fast, and what is missing",
    )
    .addOption(jsonOption())
    .action(async ({ json }: Options) => {
      const found = await devices();
      process.stdout.write(json ? `${JSON.stringify(found, null, 2)}\n` : `${found}\n`);
    });
