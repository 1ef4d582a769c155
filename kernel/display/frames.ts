/** Pictures of some values, one at a time, with a slider that chooses among them: no kernel and no library is needed. */
import { toMime } from "./mime.ts";
import type { MimeBundle } from "./sink.ts";
import { escapeHtml } from "./table.ts";

/** One picture for each of some values. */
export interface PictureFrames<V> {
  /** What the values are, such as "t" or "step". */
  readonly label: string;
  readonly values: readonly V[];
  /** The picture of a value: what is shown as a PNG, such as a grid of images. */
  readonly image: (value: V, index: number) => unknown;
  /** Which value is shown first, by its index; the first unless given. */
  readonly start?: number;
}

/** @throws where the one that is shown first is none of the values */
export function checkStart(start: number, count: number): void {
  if (!(Number.isInteger(start) && start >= 0 && start < count))
    throw new RangeError(
      `display.frames: start must be the index of one of the ${count} values, got ${start}`,
    );
}

/** A heading over a figure, as its title is in plotly. */
export const figureHeading = (lines: readonly string[]): string =>
  `<p style="margin:0.8em 0 0.2em;opacity:0.75;font-weight:600;text-align:left">${lines.map(escapeHtml).join("<br>")}</p>`;

const CHOOSE =
  "const box = this.closest('div'); box.querySelectorAll('img').forEach((one, i) => { one.style.display = i == this.value ? '' : 'none'; if (i == this.value) box.querySelector('output').value = one.alt; })";

export async function pictureFrames<V>(
  { label, values, image, start = 0 }: PictureFrames<V>,
  { title }: { title?: string } = {},
): Promise<MimeBundle> {
  const pictures: string[] = [];
  for (const [i, value] of values.entries()) {
    const { "image/png": png } = await toMime(await image(value, i));
    if (typeof png !== "string")
      throw new TypeError(
        `display.frames: the image of ${label} = ${value} must be shown as a PNG, such as a grid of images`,
      );
    pictures.push(png);
  }
  const name = (i: number): string => escapeHtml(`${label} = ${values[i]}`);
  const images = pictures.map(
    (png, i) =>
      `<img alt="${name(i)}" src="data:image/png;base64,${png}" style="max-width:100%;${i === start ? "" : "display:none"}">`,
  );
  const slider = `<input type="range" min="0" max="${values.length - 1}" value="${start}" aria-label="${escapeHtml(label)}" style="width:min(20em,60%);vertical-align:middle" oninput="${CHOOSE}">`;
  return {
    "text/plain": `Pictures by ${label}: ${values.join(", ")}`,
    "text/html": `${title === undefined ? "" : figureHeading([title])}<div><p style="margin:0.3em 0">${slider} <output>${name(start)}</output></p>${images.join("")}</div>`,
    "image/png": pictures[start],
  };
}
