/** What stands between WebGPU and a GPU on this machine, and the one step that helps. */
import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { listed, textOf } from "./machine-files.ts";

/** Of a machine: what `gpuHint` looks at. */
export interface Sight {
  platform: string;
  /** PCI's numbers of the makers of its display controllers: `0x10de`. */
  vendors: readonly string[];
  hasLoader: boolean;
  /** Names of Vulkan's drivers: `nvidia_icd.json`. */
  drivers: readonly string[];
  /** Whether NVIDIA's kernel module runs. */
  hasNvidia: boolean;
  /** Whether a device node for computing is there, and may be opened. */
  node: "usable" | "closed" | "missing";
  /** Whether the process is in a container. */
  inContainer: boolean;
}

export const NVIDIA = "0x10de";
const MAKERS: Readonly<Record<string, string>> = { [NVIDIA]: "NVIDIA", "0x1002": "AMD", "0x8086": "Intel" };

/** What becomes of opening device nodes in a folder. */
export function nodeIn(folder: string, isOne: (name: string) => boolean): Sight["node"] {
  const nodes = listed(folder).filter(isOne);
  if (nodes.length === 0) return "missing";
  const mayOpen = nodes.some((name) => {
    try {
      accessSync(join(folder, name), constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  });
  return mayOpen ? "usable" : "closed";
}

const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const DRIVERS = ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d"];

/** This machine, as far as files tell. */
export function sightOf(): Sight {
  const bus = "/sys/bus/pci/devices";
  const displays = listed(bus).filter((name) => textOf(join(bus, name, "class")).startsWith("0x03"));
  return {
    platform: process.platform,
    vendors: displays.map((name) => textOf(join(bus, name, "vendor")).trim()),
    hasLoader: LIBRARIES.some((folder) => existsSync(join(folder, "libvulkan.so.1"))),
    drivers: DRIVERS.flatMap(listed),
    hasNvidia: existsSync("/proc/driver/nvidia/version"),
    node: nodeIn("/dev/dri", (name) => name.startsWith("renderD")),
    inContainer: existsSync("/.dockerenv") || existsSync("/run/.containerenv"),
  };
}

/** Why WebGPU finds no GPU, and what to do. The commands are Debian's. */
export function gpuHint(sight: Sight): { problem: string; fix: string } {
  const { platform, vendors, hasLoader, drivers, hasNvidia, node, inContainer } = sight;
  if (platform === "darwin")
    return { problem: "Metal gives WebGPU no GPU", fix: "update macOS; a virtual machine has no Metal" };
  if (platform === "win32")
    return { problem: "Direct3D 12 gives WebGPU no GPU", fix: "install the GPU's driver from its maker" };
  const isNvidia = hasNvidia || vendors.includes(NVIDIA);
  const names = [...new Set(vendors.flatMap((vendor) => MAKERS[vendor] ?? []))];
  const maker = isNvidia ? "NVIDIA" : (names[0] ?? "");
  if (maker === "")
    return {
      problem: "there is no GPU in sight",
      fix: "none for speed; to try WebGPU on the processor: apt install mesa-vulkan-drivers",
    };
  if (!hasLoader)
    return {
      problem: `the ${maker} GPU is not reached, as Vulkan's loader (libvulkan.so.1) is missing`,
      fix: `apt install ${isNvidia ? "libvulkan1 libegl1 libgl1 libglx0" : "mesa-vulkan-drivers"}`,
    };
  const hasDriver = drivers.some((name) => (isNvidia ? /nvidia/ : /radeon|intel|amd/).test(name));
  if (!hasDriver && isNvidia)
    return {
      problem: "NVIDIA's driver has no part for Vulkan here",
      fix:
        inContainer || hasNvidia
          ? "start the container with -e NVIDIA_DRIVER_CAPABILITIES=all"
          : "apt install nvidia-driver nvidia-vulkan-icd",
    };
  if (!hasDriver)
    return { problem: `the ${maker} GPU has no driver for Vulkan`, fix: "apt install mesa-vulkan-drivers" };
  if (node === "missing")
    return {
      problem: `the ${maker} GPU has no device node in /dev/dri`,
      fix: inContainer ? "start the container with --device /dev/dri" : "load the GPU's kernel module",
    };
  if (node === "closed")
    return {
      problem: `/dev/dri may not be opened by this user`,
      fix: "sudo usermod -aG render $USER, and log in again",
    };
  return {
    problem: `the ${maker} GPU's driver gives Vulkan no device`,
    fix: "vulkaninfo --summary says why (apt install vulkan-tools)",
  };
}
