/** A figure in the colours of the page, light or dark. */
export interface Figure {
  data: unknown[];
  layout: Record<string, unknown>;
}

type Plain = Record<string, unknown>;

const COLOURS = {
  light: { ink: "#3c3c43", grid: "#e2e2e3", axis: "#8e8e93" },
  dark: { ink: "#dfdfd6", grid: "#3a3a40", axis: "#8e8e93" },
} as const;

/** Colours of lines that people with any colour vision tell apart, after Okabe and Ito. */
const LINES = {
  light: ["#0072b2", "#c94f00", "#00785a", "#a83f86", "#86690a", "#1b1d21"],
  dark: ["#5ab4ea", "#f59e4c", "#3fd0a2", "#e79acb", "#e6d750", "#e9e8e4"],
} as const;

/** Data of ours name a colour, as `@grid` or `@arm-1`; a theme says which that is. */
function named(value: unknown, theme: "light" | "dark"): unknown {
  if (Array.isArray(value)) return value.map((item) => named(item, theme));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, named(item, theme)]));
  if (typeof value !== "string" || !value.startsWith("@")) return value;
  const arm = /^@arm-(\d+)$/.exec(value);
  if (arm) return LINES[theme][(Number(arm[1]) - 1) % LINES[theme].length];
  return COLOURS[theme][value.slice(1) as "grid"] ?? COLOURS[theme].ink;
}

const isAxis = (key: string): boolean => /^[xy]axis\d*$/.test(key);

export function inTheme({ data, layout }: Figure, isDark: boolean): Figure {
  const theme = isDark ? "dark" : "light";
  const { ink, grid } = COLOURS[theme];
  const own = named(layout, theme) as Plain;
  const axes = Object.fromEntries(
    ["xaxis", "yaxis", ...Object.keys(own).filter(isAxis)].map((key) => {
      const axis = (own[key] ?? {}) as Plain;
      return [key, { gridcolor: grid, zerolinecolor: grid, automargin: true, ...axis }];
    }),
  );
  return {
    data: named(data, theme) as unknown[],
    layout: {
      colorway: LINES[theme],
      margin: { l: 56, r: 16, t: 24, b: 48 },
      ...own,
      ...axes,
      width: undefined,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "Inter, system-ui, sans-serif", ...(own.font as Plain), color: ink },
    },
  };
}
