/** What tfjs asks of every backend, of one that computes nothing itself. */
import { type DataType, tf } from "../tensor/tf.ts";

export type Backend = InstanceType<typeof tf.KernelBackend>;
export type BackendValues = Parameters<Backend["write"]>[0];

export abstract class IdleBackend extends tf.KernelBackend {
  abstract override move(dataId: object, values: BackendValues, shape: number[], dtype: DataType): void;

  override write(values: BackendValues, shape: number[], dtype: DataType): object {
    const dataId = {};
    this.move(dataId, values, shape, dtype);
    return dataId;
  }
  /** Asked for in tfjs's debug mode alone, of the eager backend. */
  override numDataIds(): number {
    return 0;
  }
  override timerAvailable(): boolean {
    return false;
  }
  override floatPrecision(): 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }
}
