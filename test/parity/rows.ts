/** Every array of every fixture against the reference's. */
import { ditCases } from "./dit.ts";
import { networkCases } from "./networks.ts";
import { sitCases } from "./sit.ts";
import { type ParityRow, parityRows } from "./table.ts";

export const allRows = (): Promise<ParityRow[]> => parityRows([...sitCases, ...ditCases, ...networkCases]);
