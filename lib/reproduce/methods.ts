/** A yardstick of our own: every method beside the plain model, after equal steps and after equal time. */
import { METHOD_NAMES } from "../align/index.ts";
import type { Cell, Column, Experiment, ModelSetting, Row } from "./experiment.ts";

/**
 * REPA and HASTE are drawn to features of an encoder that is given, which the small scales have none of, and Self-Transcendence's second
 * stage to those of a run of its first.
 */
const NOT_ALONE = ["repa", "irepa", "haste-features", "haste-attention", "self-transcendence"];
const ALONE = METHOD_NAMES.filter((name) => !NOT_ALONE.includes(name));

const COLUMNS: readonly Column[] = [
  { id: "fid", label: "FID, equal steps", digits: 2, better: "lower" },
  { id: "fid-time", label: "FID, equal time", digits: 2, better: "lower" },
  { id: "is", label: "IS, equal steps", digits: 2, better: "higher" },
  { id: "seconds", label: "time a step", digits: 3, better: "lower" },
  { id: "flops", label: "products a step", digits: 3, better: "lower" },
  { id: "memory", label: "memory", digits: 3, better: "lower" },
];

export function methods(): Experiment {
  const plain: ModelSetting = { family: "SiT", size: "B" };
  const row = (id: string, label: string, setting: ModelSetting): Row => {
    const cell = (column: string, reading: Cell["reading"]): Cell => ({ column, setting, reading });
    const share = setting.isTimed ? "equal time" : 1;
    return {
      id,
      label,
      cells: [
        cell("fid", { of: "fid", share: 1 }),
        cell("fid-time", { of: "fid", share }),
        cell("is", { of: "is", share: 1 }),
        ...(["seconds", "flops", "memory"] as const).map((of) => cell(of, { of, against: plain })),
      ],
    };
  };
  return {
    id: "methods",
    title: "The methods beside each other",
    about:
      "Every method that needs no encoder, with the settings of its preset, beside the model without one: after as many steps, and when the time is over that the model alone takes. Costs are multiples of its own.",
    columns: COLUMNS,
    rows: [
      row("baseline", "without a method", plain),
      ...ALONE.map((method) => row(method, method, { ...plain, method, isTimed: true })),
    ],
    claims: [],
    against: "baseline",
  };
}
