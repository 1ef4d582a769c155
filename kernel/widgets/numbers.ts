/** Sliders, number fields and progress bars. */
import { type Control, type ControlOptions, commonState, createControl } from "./control.ts";
import { createModel } from "./model.ts";
import { asWidget, controlState, type Widget } from "./widget.ts";

export interface SliderOptions extends ControlOptions {
  /** 0 unless given. */
  min?: number;
  /** 1 unless given. */
  max?: number;
  /** 1 where all is whole and the ends are more than 2 apart, otherwise about a hundredth of what lies between them. */
  step?: number;
  /** The smallest unless given. */
  value?: number;
  /** With "log" equal steps are equal factors. */
  scale?: "linear" | "log";
}

export interface RangeOptions extends Omit<SliderOptions, "value" | "scale"> {
  /** All unless given. */
  value?: readonly [number, number];
}

export interface NumberOptions extends ControlOptions {
  value?: number;
  min?: number;
  max?: number;
  step?: number;
}

export interface ProgressBarOptions extends ControlOptions {
  value?: number;
  /** 100 unless given. */
  max?: number;
}

const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

function checked(name: string, value: unknown): number {
  if (!isNumber(value)) throw new TypeError(`${name}: a finite number expected, got ${String(value)}`);
  return value;
}

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));

/** A hundredth of a length, as 1, 2 or 5 times a power of ten. */
function niceStep(length: number): number {
  const wanted = length / 100;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const factor = [1, 2, 5].findLast((one) => one <= (wanted / power) * (1 + 1e-9)) ?? 1;
  return Number((factor * power).toPrecision(1));
}

type Ends = Pick<RangeOptions, "min" | "max" | "step">;

interface Scale {
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly whole: boolean;
}

function scaleOf(name: string, { min = 0, max = 1, step }: Ends, values: readonly number[]): Scale {
  for (const end of [min, max]) checked(`${name}: its ends`, end);
  if (!(min < max)) throw new RangeError(`${name}: min must be below max, got ${min} and ${max}`);
  if (step !== undefined && !(isNumber(step) && step > 0))
    throw new RangeError(`${name}: step must be above 0, got ${step}`);
  const areWhole = [min, max, ...values].every(Number.isInteger);
  const chosen = step ?? (areWhole && max - min > 2 ? 1 : niceStep(max - min));
  return { min, max, step: chosen, whole: areWhole && Number.isInteger(chosen) };
}

/** As many digits behind the point as a step has, in the front end's notation. */
const formatOf = (step: number): string => `.${Math.min(10, decimals(step))}f`;
function decimals(step: number): number {
  for (let digits = 0; digits < 10; digits++) if (Number(step.toFixed(digits)) === step) return digits;
  return 10;
}

const readoutOf = ({ whole, step }: Scale): string => (whole ? "d" : formatOf(step));

function logSlider({ min = 0, max = 1, value = min, ...options }: SliderOptions): Control<number> {
  if (!(min > 0)) throw new RangeError(`slider: min must be above 0 on a logarithmic scale, got ${min}`);
  const { step } = scaleOf("slider", { ...options, min: Math.log10(min), max: Math.log10(max) }, [0.5]);
  const inside = (wanted: number) => clamp(checked("slider", wanted), min, max);
  const state = { min: Math.log10(min), max: Math.log10(max), step, base: 10, readout_format: ".3g" };
  const codec = { key: "value", read: Number, write: inside };
  return createControl(
    "FloatLogSlider",
    { ...state, value: inside(value), ...SLIDER },
    { style: "SliderStyle", codec, accepts: isNumber },
    options,
  );
}

const SLIDER = { continuous_update: true, orientation: "horizontal", readout: true };

/** A slider: `ui.slider({ label: "noise", min: 0, max: 1, value: 0.5 })`. */
export function slider(options: SliderOptions = {}): Control<number> {
  if (options.scale === "log") return logSlider(options);
  const { value = options.min ?? 0 } = options;
  const scale = scaleOf("slider", options, [checked("slider", value)]);
  const { min, max, step } = scale;
  const inside = (wanted: number) => clamp(checked("slider", wanted), min, max);
  return createControl(
    scale.whole ? "IntSlider" : "FloatSlider",
    { min, max, step, value: inside(value), readout_format: readoutOf(scale), ...SLIDER },
    { style: "SliderStyle", codec: { key: "value", read: Number, write: inside }, accepts: isNumber },
    options,
  );
}

const isPair = (value: unknown): value is [number, number] =>
  Array.isArray(value) && value.length === 2 && value.every(isNumber);

/** A slider with two handles: its value is a pair, `[from, to]`. */
export function range(options: RangeOptions = {}): Control<readonly [number, number]> {
  const { value = [options.min ?? 0, options.max ?? 1] } = options;
  const scale = scaleOf("range", options, value);
  const { min, max, step } = scale;
  const inside = (pair: readonly [number, number]): [number, number] => {
    if (!isPair(pair)) throw new TypeError(`range: a pair of numbers expected, got ${JSON.stringify(pair)}`);
    const [from, to] = pair.map((end) => clamp(end, min, max)).sort((a, b) => a - b);
    return [from, to];
  };
  return createControl<readonly [number, number]>(
    scale.whole ? "IntRangeSlider" : "FloatRangeSlider",
    { min, max, step, value: inside(value), readout_format: readoutOf(scale), ...SLIDER },
    {
      style: "SliderStyle",
      codec: { key: "value", read: (pair) => pair as [number, number], write: inside },
      accepts: isPair,
    },
    options,
  );
}

/** A field for a number, within bounds where they are given. */
export function number({ value = 0, min, max, step, ...options }: NumberOptions = {}): Control<number> {
  const bounded = min !== undefined || max !== undefined;
  const [low, high] = [min ?? -Number.MAX_VALUE, max ?? Number.MAX_VALUE];
  const inside = (wanted: number) => clamp(checked("number", wanted), low, high);
  return createControl(
    bounded ? "BoundedFloatText" : "FloatText",
    {
      value: inside(value),
      step: step ?? null,
      ...(bounded ? { min: low, max: high } : {}),
      continuous_update: false,
    },
    {
      style: "DescriptionStyle",
      view: "FloatTextView",
      codec: { key: "value", read: Number, write: inside },
      accepts: isNumber,
    },
    options,
  );
}

/** A bar that code moves. */
export interface ProgressBar extends Widget {
  value: number;
  max: number;
  label: string;
}

/** A bar whose value code sets: `bar.value = 3`. For loops, `progress(items)` counts by itself. */
export function progress({ value = 0, max = 100, ...options }: ProgressBarOptions = {}): ProgressBar {
  const model = createModel({
    ...controlState("FloatProgress", "ProgressView"),
    ...commonState(options, "ProgressStyle"),
    ...{ value: checked("progress", value), min: 0, max: checked("progress", max) },
    ...{ bar_style: "", orientation: "horizontal" },
  });
  return asWidget(model, {
    get value() {
      return Number(model.get("value"));
    },
    set value(value: number) {
      model.set({ value: clamp(checked("progress", value), 0, Number(model.get("max"))) });
    },
    get max() {
      return Number(model.get("max"));
    },
    set max(max: number) {
      model.set({ max: checked("progress", max) });
    },
    get label() {
      return String(model.get("description"));
    },
    set label(description: string) {
      model.set({ description });
    },
  });
}
