/**
 * For scripts and libraries: the same display, progress bar and widgets as in a notebook; outside of one they use the
 * terminal.
 */
export type { Comm, CommMessage, CommOptions, Comms } from "./comms/comms.ts";
export { comms } from "./comms/index.ts";
export { type Display, type DisplayOptions, display, type Shown } from "./display/display.ts";
export type { ImageOptions, Pixels, SharpLike } from "./display/images.ts";
export { DISPLAY, type Displayable, toMime, toText } from "./display/mime.ts";
export type { Figure } from "./display/plotly.ts";
export { type Progress, type ProgressOptions, progress } from "./display/progress.ts";
export { type Capture, type MimeBundle, type ShowOptions, type Sink, setSink, sink } from "./display/sink.ts";
export type { Button, ButtonOptions, ChoiceOptions, Choices, SwitchOptions } from "./widgets/choices.ts";
export type { Control, ControlOptions } from "./widgets/control.ts";
export { type CustomEvents, type CustomOptions, type CustomWidget, widget } from "./widgets/custom.ts";
export type {
  NumberOptions,
  ProgressBar,
  ProgressBarOptions,
  RangeOptions,
  SliderOptions,
} from "./widgets/numbers.ts";
export type { TextLine, TextOptions } from "./widgets/texts.ts";
export { type OutputArea, ui, type ValuesOf } from "./widgets/ui.ts";
export type { Widget } from "./widgets/widget.ts";
