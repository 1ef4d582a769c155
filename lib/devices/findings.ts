/** What a device turns out to be. */
import type { Device } from "./names.ts";

/** What a device is made of. */
export interface Hardware {
  /** The processor's or GPU's name. */
  name: string;
  /** Whether it is a GPU that a processor plays. */
  isSoftware: boolean;
  /** Driver and its version, of a GPU. */
  driver?: string;
  /** Threads that compiled functions use, of a processor. */
  threads?: number;
  /** Bytes: of a processor and a GPU of CUDA's all, of one of WebGPU's the largest buffer. */
  memory: number;
  /**
   * Of what use for numbers: `shader-f16`, `subgroups`, `timestamp-query`, a GPU's architecture as `sm_90`, and
   * `matrices-f16-16x16x16` or the like.
   */
  features?: string[];
}

/** What has been found out: all fields but the first come as far as the trial gets. */
export interface Findings {
  hardware?: Hardware;
  /** What compiles and runs functions, or, where they are those of `cpu`, eager operations. */
  runtime?: string;
  compiled?: Outcome;
  eager?: Outcome;
  /** What is in the way, or could be better. */
  problem?: string;
  /** The step that helps, a command where there is one. */
  fix?: string;
}
export interface Outcome {
  /** Billions of floating-point operations a second, in a float32 product. */
  gflops?: number;
  /** Why it does not work. */
  error?: string;
}

/** A device on this machine. */
export interface DeviceReport extends Findings {
  device: Device;
  /** Whether its results are right. Compiled functions of `wasm` and `tensorflow` are those of `cpu`. */
  works: boolean;
}

export interface DevicesReport {
  /** What `useDevice()` takes. */
  auto: Device;
  /** Why, where that needs saying. */
  reason?: string;
  devices: DeviceReport[];
  /** The table as text. */
  toString(): string;
  /** The table as a piece of HTML. */
  toHtml(): string;
}
