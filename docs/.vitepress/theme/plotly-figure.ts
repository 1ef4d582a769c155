/** A plotly figure. Its data are a file of the site; plotly.js itself comes once, when the first figure is near the screen. */
import { useData, withBase } from "vitepress";
import { defineComponent, h, onBeforeUnmount, onMounted, ref, watch } from "vue";
import { type Figure, inTheme } from "./figure-colours.ts";

interface Plotly {
  react(element: HTMLElement, data: unknown, layout: unknown, config: unknown): Promise<unknown>;
  purge(element: HTMLElement): void;
}

let loading: Promise<Plotly> | undefined;
const loadPlotly = (): Promise<Plotly> => {
  loading ??= import("plotly.js-cartesian-dist-min").then((module) => module.default as Plotly);
  return loading;
};

/** How far below the screen a figure is drawn ahead of time. */
const AHEAD = "600px";

export const PlotlyFigure = defineComponent({
  props: {
    src: { type: String, required: true },
    /** What stands above it. */
    caption: { type: String, default: "" },
    /** Its numbers in words, for those who do not see it. */
    description: { type: String, default: "" },
    height: { type: Number, default: 450 },
  },
  setup(props) {
    const { isDark } = useData();
    const box = ref<HTMLElement>();
    const state = ref<"waiting" | "drawn" | "failed">("waiting");
    let figure: Figure | undefined;
    let plotly: Plotly | undefined;
    let seen: IntersectionObserver | undefined;

    async function draw(): Promise<void> {
      if (!box.value || !figure || !plotly) return;
      const { data, layout } = inTheme(figure, isDark.value);
      const config = { displaylogo: false, responsive: true };
      await plotly.react(box.value, data, { ...layout, height: props.height, autosize: true }, config);
      state.value = "drawn";
    }
    async function load(): Promise<void> {
      try {
        const [loaded, response] = await Promise.all([loadPlotly(), fetch(withBase(props.src))]);
        plotly = loaded;
        figure = (await response.json()) as Figure;
        await draw();
      } catch (error) {
        state.value = "failed";
        console.error(error);
      }
    }
    onMounted(() => {
      seen = new IntersectionObserver(
        (entries) => {
          if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
          seen?.disconnect();
          void load();
        },
        { rootMargin: AHEAD },
      );
      if (box.value) seen.observe(box.value);
    });
    onBeforeUnmount(() => {
      seen?.disconnect();
      if (box.value) plotly?.purge(box.value);
    });
    watch(isDark, draw);

    return () =>
      h("figure", { class: "plotly-figure", "data-state": state.value }, [
        props.caption ? h("figcaption", props.caption) : null,
        h("div", {
          ref: box,
          role: "img",
          "aria-label": props.description || props.caption || "A figure",
          style: { minHeight: `${props.height}px` },
        }),
        state.value === "failed" ? h("p", "The figure could not be loaded.") : null,
        h("noscript", "The figure needs JavaScript."),
      ]);
  },
});
