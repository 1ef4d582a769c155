/** What files tell of NVIDIA's driver on a machine, without loading anything. */
import { existsSync } from "node:fs";
import { driverFile } from "../../jit/targets/cuda/libraries.ts";
import { NVIDIA, nodeIn, type Sight, sightOf } from "../gpu-hint.ts";

/** Of a machine: what the hints look at. */
export interface CudaSight extends Pick<Sight, "platform" | "vendors" | "hasNvidia" | "inContainer"> {
  /** Whether the driver's library is there. */
  hasDriver: boolean;
  /** Whether the driver's device nodes are there, and may be opened. */
  node: Sight["node"];
  /** Whether it is Linux inside of Windows, whose driver it shares. */
  isWsl: boolean;
  /** `CUDA_VISIBLE_DEVICES`, where it is set. */
  visible?: string;
}

const NODE = /^nvidia(\d+|ctl)$/;
const WSL_NODE = "/dev/dxg";

/** Whether there may be a GPU for CUDA: a look at a few files, for processes that only want to begin. */
export const mayHaveCuda = (): boolean =>
  driverFile() !== undefined ||
  ["/proc/driver/nvidia/version", "/dev/nvidiactl"].some((file) => existsSync(file));

/** This machine. */
export function cudaSight(): CudaSight {
  const { platform, vendors, hasNvidia, inContainer } = sightOf();
  const isWsl = existsSync(WSL_NODE);
  return {
    ...{ platform, vendors, hasNvidia, inContainer, isWsl },
    hasDriver: driverFile() !== undefined,
    node: isWsl ? nodeIn("/dev", (name) => name === "dxg") : nodeIn("/dev", (name) => NODE.test(name)),
    visible: process.env.CUDA_VISIBLE_DEVICES,
  };
}

export interface Hint {
  problem: string;
  fix: string;
}

/** The step that gives a container its GPU. */
const WITH_GPU = "start the container with --gpus all";
/** The step of a machine that cannot have it. */
const ANOTHER = "take another device, as 'npx ditlab devices' lists them";

/** What the driver lacks, where its library is not there; nothing where it is. The commands are Debian's. */
export function missingDriver(sight: CudaSight): Hint | undefined {
  const { platform, vendors, hasNvidia, inContainer, hasDriver, isWsl } = sight;
  if (hasDriver) return undefined;
  if (platform === "darwin") return { problem: "CUDA has no driver for macOS", fix: ANOTHER };
  if (platform === "win32" || isWsl)
    return {
      problem: "NVIDIA's driver is not installed",
      fix: "install the GPU's driver from nvidia.com, in Windows itself",
    };
  if (inContainer && hasNvidia)
    return { problem: "NVIDIA's driver runs, and was not given to this container", fix: WITH_GPU };
  if (hasNvidia)
    return {
      problem: "NVIDIA's driver runs, but its library for CUDA (libcuda.so.1) is missing",
      fix: "sudo apt install libcuda1",
    };
  if (vendors.includes(NVIDIA))
    return {
      problem: "the NVIDIA GPU has no driver",
      fix: inContainer ? WITH_GPU : "sudo apt install nvidia-driver",
    };
  return { problem: "there is no GPU of NVIDIA's in sight", fix: ANOTHER };
}

/** Why a driver whose library is there finds no device. */
export function missingDevice({ inContainer, hasNvidia, node, isWsl, visible }: CudaSight): Hint {
  if (visible !== undefined && node === "usable")
    return {
      problem: `CUDA_VISIBLE_DEVICES is '${visible}', which shows CUDA no GPU`,
      fix: "unset CUDA_VISIBLE_DEVICES",
    };
  if (node === "missing" && inContainer)
    return {
      problem: "the driver's library is here, but this container has no device node (/dev/nvidiactl)",
      fix: WITH_GPU,
    };
  if (node === "missing")
    return {
      problem: "the driver's library is here, but its kernel module does not run (no /dev/nvidiactl)",
      fix: hasNvidia ? "sudo nvidia-modprobe -u -c 0" : "sudo modprobe nvidia",
    };
  if (node === "closed")
    return {
      problem: `${isWsl ? WSL_NODE : "/dev/nvidia0"} may not be opened by this user`,
      fix: "sudo usermod -aG video,render $USER, and log in again",
    };
  return { problem: "NVIDIA's driver finds no GPU", fix: "nvidia-smi says why" };
}
