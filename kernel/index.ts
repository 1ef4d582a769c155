/** For scripts and libraries: the same display and progress bar as in a notebook; outside of one they use the terminal. */
export { type Display, type DisplayOptions, display, type Shown } from "./display/display.ts";
export type { ImageOptions, Pixels, SharpLike } from "./display/images.ts";
export { DISPLAY, type Displayable, toMime, toText } from "./display/mime.ts";
export type { Figure } from "./display/plotly.ts";
export { type Progress, type ProgressOptions, progress } from "./display/progress.ts";
export { type MimeBundle, type Sink, setSink, sink } from "./display/sink.ts";
