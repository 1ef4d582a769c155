/** What a device needs that no package manager can bring: `ditlab setup` makes it, and takes it away. */
import { Command, InvalidArgumentError } from "commander";
import { removeCuda, setUpCuda } from "../devices/cuda/setup.ts";
import { removeTensorFlow, setUpTensorFlow } from "../devices/tensorflow/setup.ts";
import { MAJORS } from "../jit/targets/cuda/libraries.ts";
import { EXIT, stopSignal } from "./exit.ts";

interface TensorFlowOptions {
  from?: string;
  gpu?: boolean;
  cpu?: boolean;
  remove?: boolean;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Sets a device up, until it is done or stopped. */
async function setUp(
  device: string,
  make: (signal: AbortSignal) => Promise<{ runtime: string; isNew: boolean }>,
): Promise<void> {
  const signal = stopSignal(() => process.stderr.write("\nstopping ...\n"));
  try {
    const { runtime, isNew } = await make(signal);
    say(`device '${device}' ${isNew ? "is set up" : "was set up before, and works"}: ${runtime}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stderr.write(`ditlab: ${(error as Error).message}\n`);
    process.exit(EXIT.interrupted);
  }
}

/** Takes a device's setup away; options that say how to make one do not go with it. */
async function takeAway(
  device: string,
  remove: () => Promise<boolean>,
  isAlone: boolean,
  command: Command,
): Promise<void> {
  if (!isAlone) command.error("error: --remove takes everything away, expected no option beside it");
  say(`device '${device}' ${(await remove()) ? "was removed" : "is not set up"}`);
}

async function tensorflow(options: TensorFlowOptions, command: Command): Promise<void> {
  const { from, gpu, cpu, remove } = options;
  if (gpu && cpu) command.error("error: --gpu and --cpu were given, expected one of them at most");
  const isAlone = from === undefined && !gpu && !cpu;
  if (remove) return takeAway("tensorflow", removeTensorFlow, isAlone, command);
  const hasCuda = gpu ? true : cpu ? false : undefined;
  await setUp("tensorflow", (signal) => setUpTensorFlow({ from, hasCuda, signal, say }));
}

interface CudaOptions {
  from?: string;
  major?: number;
  /** False with --no-products. */
  products: boolean;
  remove?: boolean;
}

async function cuda({ from, major, products, remove }: CudaOptions, command: Command): Promise<void> {
  const isAlone = from === undefined && major === undefined && products;
  if (remove) return takeAway("cuda", removeCuda, isAlone, command);
  const hasProducts = products ? undefined : false;
  await setUp("cuda", (signal) => setUpCuda({ from, major, hasProducts, signal, say }));
}

function majorOf(value: string): number {
  const major = MAJORS.find((known) => String(known) === value);
  if (major === undefined) throw new InvalidArgumentError(`expected ${MAJORS.join(" or ")}.`);
  return major;
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
  new Command("cuda")
    .description(
      "NVIDIA's compiler of kernels and its matrix products (NVRTC, cuBLASLt), for the driver here",
    )
    .option(
      "--from <folder>",
      "CUDA's toolkit, a Python environment with NVIDIA's wheels, or the libraries' folder",
    )
    .option("--major <version>", "fetch those of CUDA 12 or 13 (default: what the driver runs)", majorOf)
    .option("--no-products", "without cuBLASLt, which is most of the bytes; products are slower")
    .option("--remove", "take away all that this command has made")
    .addHelpText(
      "after",
      `
It needs Linux, and NVIDIA's driver 525 or newer for the GPU; no toolkit. Libraries that a toolkit or the Python in use
has are taken as they are, and only recorded; else pip fetches NVIDIA's wheels (0.5 to 0.7 GB; 0.1 GB with --no-products)
into the cache folder (DITLAB_HOME). They are checked: a kernel is compiled, and a product computed where there is a GPU.
A second call compares each byte, and sets up anew what has changed.`,
    )
    .action(cuda),
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
