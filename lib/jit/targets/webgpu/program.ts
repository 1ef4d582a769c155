/** Compiled functions on any GPU with a driver for Vulkan, Metal or D3D12. */
import { SOME_GPU } from "../../plan/forms.ts";
import { plannedTarget } from "../planned/program.ts";
import { newTuning } from "../planned/tuning.ts";
import { devicesLost, openDevice } from "./device.ts";
import { WGSL } from "./wgsl.ts";

/** As many arrays a kernel as every GPU binds. */
const shown = {
  language: WGSL,
  products: SOME_GPU,
  matrices: [],
  maxBuffers: 8,
  hasHalf: true,
  tuning: newTuning(),
};

export const webgpu = plannedTarget("webgpu", { open: openDevice, devicesLost, shown });
