/** All experiments by name. */
import type { Experiment, Sizes } from "./experiment.ts";
import { figure2, figure4, figure7a, figure7b, figure7c, figure7d } from "./figures.ts";
import { methods } from "./methods.ts";
import { pictures } from "./pictures.ts";
import { table1, table3, table4, table6, table7 } from "./tables.ts";
import { table2 } from "./text.ts";

const EXPERIMENTS = [
  table1,
  table2,
  table3,
  table4,
  table6,
  table7,
  figure2,
  figure4,
  figure7a,
  figure7b,
  figure7c,
  figure7d,
  pictures,
  methods,
];

/** Every experiment, with the rows of some sizes of models. */
export const allExperiments = (sizes: Sizes): Experiment[] => EXPERIMENTS.map((make) => make(sizes));

/**
 * The experiments of a name: one by its id, several by what their ids begin with (`figure7`), all by `all`.
 * @throws naming what there is
 */
export function experimentsNamed(name: string, sizes: Sizes): Experiment[] {
  const all = allExperiments(sizes);
  const exact = all.filter(({ id }) => id === name);
  const found = name === "all" ? all : exact.length > 0 ? exact : all.filter(({ id }) => id.startsWith(name));
  if (found.length === 0 || name === "")
    throw new Error(
      `there is no experiment '${name}'; expected one of ${all.map(({ id }) => id).join(", ")}, or all`,
    );
  return found;
}

/** An experiment with some of its rows alone, in its own order; the one that others are set against stays. @throws naming a row that it lacks */
export function withRows(experiment: Experiment, ids: readonly string[]): Experiment {
  const { rows, pictures = [] } = experiment;
  const known = [...rows, ...pictures].map(({ id }) => id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown !== undefined)
    throw new Error(`${experiment.id} has no row '${unknown}'; expected some of ${known.join(", ")}`);
  return {
    ...experiment,
    rows: rows.filter(({ id }) => ids.includes(id) || id === experiment.against),
    ...(experiment.pictures && { pictures: pictures.filter(({ id }) => ids.includes(id)) }),
  };
}
