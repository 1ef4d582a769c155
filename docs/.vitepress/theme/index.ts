import type { Theme } from "vitepress";
import DefaultTheme from "vitepress/theme";
import "katex/dist/katex.min.css";
import { PlotlyFigure } from "./plotly-figure.ts";
import "./style.css";

export default {
  extends: DefaultTheme,
  enhanceApp({ app }) {
    app.component("PlotlyFigure", PlotlyFigure);
  },
} satisfies Theme;
