/**
 * The one place that loads TensorFlow.js: its core and its portable backend, not the union package `@tensorflow/tfjs`,
 * which brings layers, data, converter and browser bundles. Loading it changes nothing that others see: no backend is
 * chosen, no global name is listed, and nothing is printed, also beside another tfjs in the same process, which shares
 * its registry with this one.
 */
/// <reference types="@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js" preserve="true" />
import { createRequire } from "node:module";
import { unlist } from "../globals.ts";
import { register } from "./registrations.js";

export type {
  DataType,
  Rank,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  TensorContainer,
} from "@tensorflow/tfjs-core";

type Core = typeof import("@tensorflow/tfjs-core");
type Factory = () => object;

/** What is used of tfjs's engine that it does not show. */
interface Engine {
  ENV: { flags: Record<string, unknown>; set(flag: string, value: unknown): void };
  registryFactory: Record<string, { factory: Factory }>;
  registry: Record<string, object | undefined>;
  registerBackend(name: string, factory: Factory, priority?: number): boolean;
}

/** All copies of tfjs in the process share one engine and one registry. */
const shared = globalThis as { _tfengine?: Engine; _tfGlobals?: Map<string, unknown> };

/** Until it is undone, tfjs does not say that something was registered before: what comes last counts. */
function quiet(): () => void {
  const { ENV } = shared._tfengine ?? {};
  if (!ENV || ENV.flags.PROD === true) return () => {};
  const before = ENV.flags.PROD;
  ENV.set("PROD", true);
  return () => {
    if (before === undefined) delete ENV.flags.PROD;
    else ENV.set("PROD", before);
  };
}

const loud = quiet();
// CommonJS, so that this is the instance that the optional backends register with.
const require = createRequire(import.meta.url);
export const tf = require("@tensorflow/tfjs-core") as Core;
/** The class of the tensors that the engine makes: of the copy that was loaded first. */
export const TensorClass = (shared._tfGlobals?.get("Tensor") ?? tf.Tensor) as Core["Tensor"];
register(tf, TensorClass);
require("@tensorflow/tfjs-backend-cpu");
loud();
unlist("_tfengine", "_tfGlobals");

const engine = tf.engine() as unknown as Engine;

// The portable backend's first write prints advice to install tfjs-node. Compiled code runs on onnxruntime, so it would
// mislead.
const { cpu } = engine.registryFactory;
const make = cpu.factory;
const withoutAdvice = (backend: object): object => Object.assign(backend, { firstUse: false });
cpu.factory = () => withoutAdvice(make());
if (engine.registry.cpu) withoutAdvice(engine.registry.cpu);

// Another copy that is loaded later registers the backend again, and then each of its kernels, in one go.
const registerBackend = engine.registerBackend.bind(engine);
engine.registerBackend = (name, factory, priority) => {
  if (name === "cpu") queueMicrotask(quiet());
  return registerBackend(name, factory, priority);
};

/** The backend of eager tensors: the one chosen, or the one that tfjs takes when nobody has. */
export function currentBackend(): string {
  // The name is missing until something needs a backend.
  if (!tf.getBackend()) tf.backend();
  return tf.getBackend();
}
