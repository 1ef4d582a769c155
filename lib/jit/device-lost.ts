/** The device is gone, and with it all that lay on it. The next call opens another. */
export class DeviceLostError extends Error {
  override name = "DeviceLostError";
}
