/** What a device needs that no package manager can bring: `ditlab setup` makes it, and takes it away. */
import { Command } from "commander";
import { removeTensorFlow, setUpTensorFlow } from "../devices/tensorflow/setup.ts";
import { EXIT, stopSignal } from "./exit.ts";

interface TensorFlowOptions {
  from?: string;
  gpu?: boolean;
  cpu?: boolean;
  remove?: boolean;
}

async function tensorflow(options: TensorFlowOptions, command: Command): Promise<void> {
  const { from, gpu, cpu, remove } = options;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  if (gpu && cpu) command.error("error: --gpu and --cpu were given, expected one of them at most");
  if (remove && (from !== undefined || gpu || cpu))
    command.error("error: --remove takes everything away, expected no option beside it");
  if (remove) {
    say((await removeTensorFlow()) ? "device 'tensorflow' was removed" : "device 'tensorflow' is not set up");
    return;
  }
  const signal = stopSignal(() => process.stderr.write("\nstopping ...\n"));
  try {
    const hasCuda = gpu ? true : cpu ? false : undefined;
    const { runtime, isNew } = await setUpTensorFlow({ from, hasCuda, signal, say });
    say(`device 'tensorflow' ${isNew ? "is set up" : "was set up before, and works"}: ${runtime}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stderr.write(`ditlab: ${(error as Error).message}\n`);
    process.exit(EXIT.interrupted);
  }
}

/** The devices that can be set up. */
const commands = (): Command[] => [
  new Command("tensorflow")
    .description(
      "TensorFlow's own library for eager tensors: the addon of @tensorflow/tfjs-node, compiled here",
    )
    .option("--from <folder>", "TensorFlow as pip installed it: its folder, site-packages, or an environment")
    .option("--gpu", "with CUDA")
    .option("--cpu", "without CUDA (default: what Python has, else by whether NVIDIA's driver is there)")
    .option("--remove", "take away all that this command has made")
    .addHelpText(
      "after",
      `
It needs Linux, g++, npm and tar; and TensorFlow, which it takes from the Python in use or fetches by pip (0.3 GB; with
CUDA 3 GB, not yet tried on a GPU). It is made in the cache folder (DITLAB_HOME), checked, and made once: a second
call checks it, and makes it anew where TensorFlow has moved. For notebooks and eager tensors; compiled functions,
training among them, run on onnxruntime as before.`,
    )
    .action(tensorflow),
];

export function setupCommand(): Command {
  const command = new Command("setup").description("make a device usable that needs more than npm packages");
  const parts = commands();
  for (const part of parts) command.addCommand(part);
  return command.argument("[device]").action((device?: string) => {
    const names = parts.map((part) => part.name()).join(", ");
    command.error(
      device === undefined
        ? `error: setup needs the name of a device; expected one of ${names}`
        : `error: '${device}' is no device that is set up; expected one of ${names}`,
    );
  });
}
