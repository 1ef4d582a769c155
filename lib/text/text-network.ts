/** What a text encoder is made of: a network, compiled here or exported elsewhere. */
export interface TextNetwork {
  /** Texts that are encoded together; fewer are filled up, as another number would be another program to compile. */
  readonly batch: number;
  readonly fingerprint: string;
  /** Token ids [batch,tokens] -> [batch,tokens,width]. */
  run(ids: Int32Array<ArrayBuffer>): Promise<Float32Array>;
  dispose(): Promise<void>;
}

/** `batch` where the network leaves the choice. */
export const BATCH = 16;
