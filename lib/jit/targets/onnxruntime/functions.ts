/** Functions that the standard has no operator for, exact where its operators would lose digits. */
import type { Rule } from "../../dialect.ts";
import { binary, unary } from "../../kernels/elementwise.ts";

/** tanh(x/2) (e^x + 1) keeps the digits that e^x - 1 loses near zero; the plain form serves where tanh saturates. */
export const expm1: Rule = (graph, [x]) => {
  const one = graph.scalar(1);
  const e = unary(graph, "Exp", x);
  const half = unary(graph, "Tanh", binary(graph, "Mul", x, graph.scalar(0.5)));
  const small = binary(graph, "Mul", half, binary(graph, "Add", e, one));
  const near = binary(graph, "Less", unary(graph, "Abs", x), one, "bool");
  return [graph.emit("Where", [near, small, binary(graph, "Sub", e, one)], x)];
};

/** log(u) x / (u - 1) with u = 1 + x (Kahan): exact where 1 + x rounds. */
export const log1p: Rule = (graph, [x]) => {
  const one = graph.scalar(1);
  const u = binary(graph, "Add", x, one);
  const tiny = binary(graph, "Equal", u, one, "bool");
  const span = graph.emit("Where", [tiny, one, binary(graph, "Sub", u, one)], x);
  const infinite = graph.emit("IsInf", [x], { shape: x.shape, dtype: "bool" }, { detect_negative: 0 });
  const corrected = binary(graph, "Div", binary(graph, "Mul", unary(graph, "Log", u), x), span);
  return [graph.emit("Where", [infinite, x, graph.emit("Where", [tiny, x, corrected], x)], x)];
};
