/** How kernels are written for a device, in a language. */
import { attentionTilesFor } from "./attention-forms.ts";
import { formFor, type ProductDevice } from "./forms.ts";
import type { Language, Style } from "./language.ts";

export const styleFor = (language: Language, device: ProductDevice): Style => ({
  language,
  formOf: (size) => formFor(size, device),
  attentionOf: (size) => attentionTilesFor(size, device),
  // They compute in 16 bits, as its matrices do.
  ...(device.own && device.matrices && { own: device.own }),
  ...(device.library && { library: device.library }),
  roundsFactors: device.matrices !== undefined,
});
