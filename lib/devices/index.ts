export { devices } from "./devices.ts";
export type { DeviceReport, DevicesReport, Findings, Hardware, Outcome } from "./findings.ts";
export { DEVICES, type Device } from "./names.ts";
export { currentDevice, useDevice } from "./use-device.ts";
