/** The scales at which training and sampling are measured. */
export interface Scale {
  readonly depth: number;
  readonly width: number;
  readonly heads: number;
  readonly size: number;
  readonly channels: number;
  readonly batch: number;
}

export const PATCH = 2;
export const CLASSES = 1000;
export const GUIDANCE = 1.5;

export const SCALES: Readonly<Record<string, Scale>> = {
  "S/2, 32x32x4": { depth: 12, width: 384, heads: 6, size: 32, channels: 4, batch: 8 },
  "S/2, 16x16x4": { depth: 12, width: 384, heads: 6, size: 16, channels: 4, batch: 16 },
  "small, 28x28x1": { depth: 6, width: 192, heads: 3, size: 28, channels: 1, batch: 64 },
  "B/2, 32x32x4": { depth: 12, width: 768, heads: 12, size: 32, channels: 4, batch: 4 },
};

export const SAMPLE_STEPS = 50;
export const SAMPLES = 4;

/** SRA's blocks m and n: a third and two thirds of the depth. */
export const blocks = ({ depth }: Scale) => ({ studentBlock: depth / 3, teacherBlock: (2 * depth) / 3 });
