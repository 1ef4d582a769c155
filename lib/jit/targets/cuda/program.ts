/** Compiled functions on NVIDIA's GPUs, by the driver and the compiler that NVIDIA gives. */
import { SOME_GPU } from "../../plan/forms.ts";
import { plannedTarget } from "../planned/program.ts";
import { newTuning } from "../planned/tuning.ts";
import { OWN_KERNELS } from "./attention.ts";
import { devicesLost, MATRICES, openDevice } from "./device.ts";
import { CUDA } from "./language.ts";

/** A card with tensor cores, and cuBLASLt. */
const shown = {
  language: CUDA,
  products: { ...SOME_GPU, library: "float32" as const, own: OWN_KERNELS },
  matrices: MATRICES,
  maxBuffers: 32,
  hasHalf: true,
  tuning: newTuning(),
};

export const cuda = plannedTarget("cuda", { open: openDevice, devicesLost, shown });
