/** Compiled functions on NVIDIA's GPUs, by the driver and the compiler that NVIDIA gives. */
import { SOME_GPU } from "../../plan/forms.ts";
import { plannedTarget } from "../planned/program.ts";
import { newTuning } from "../planned/tuning.ts";
import { devicesLost, openDevice } from "./device.ts";
import { CUDA } from "./language.ts";

const shown = {
  language: CUDA,
  products: SOME_GPU,
  matrices: [],
  maxBuffers: 32,
  hasHalf: true,
  tuning: newTuning(),
};

export const cuda = plannedTarget("cuda", { open: openDevice, devicesLost, shown });
