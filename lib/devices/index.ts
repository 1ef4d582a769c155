export { DEVICES, type Device } from "./names.ts";
export { currentDevice, useDevice } from "./use-device.ts";
