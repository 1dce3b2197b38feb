/** Charts as SVG, without a library: a curve, columns, and bars. Colours and sizes are the style sheet's. */

import { element, svg } from "./dom.js";

const HEIGHT = 200;
const MARGIN = { top: 12, right: 12, bottom: 24, left: 44 };

/**
 * A curve over an area, and perhaps a second, dashed one.
 *
 * @param {{points: {x: number, y: number, top?: number}[], from: number, to: number, most?: number, width?: number,
 *   ticks: {at: number, label: string}[], value?: (y: number) => string, label: string}} options
 */
export function curve({ points, from, to, most, width = 720, ticks, value = String, label }) {
  const highest = most ?? nice(Math.max(1, ...points.map(({ y, top }) => Math.max(y, top ?? 0))));
  const x = (at) => MARGIN.left + ((at - from) / Math.max(1, to - from)) * (width - MARGIN.left - MARGIN.right);
  const y = (at) => HEIGHT - MARGIN.bottom - (at / highest) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const path = (key) => points.map((point, i) => `${i ? "L" : "M"}${x(point.x).toFixed(1)} ${y(point[key] ?? 0).toFixed(1)}`).join("");
  const chart = frame(width, label, highest, y, value);
  for (const { at, label: text } of ticks) {
    chart.append(svg("text", { x: x(at), y: HEIGHT - 6, "text-anchor": "middle" }, text));
  }
  if (points.length > 0) {
    const [first, last] = [points[0], points.at(-1)];
    chart.append(
      svg("path", { class: "area", d: `${path("y")}L${x(last.x)} ${y(0)}L${x(first.x)} ${y(0)}Z` }),
      svg("path", { class: "line", d: path("y") }),
    );
    if (points.some(({ top }) => top !== undefined)) chart.append(svg("path", { class: "peak", d: path("top") }));
  }
  return chart;
}

/** @param {{values: number[], labels: string[], label: string, width?: number}} options a column for each value */
export function columns({ values, labels, label, width = 400 }) {
  const highest = nice(Math.max(1, ...values));
  const y = (at) => HEIGHT - MARGIN.bottom - (at / highest) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const chart = frame(width, label, highest, y, String);
  const each = (width - MARGIN.left - MARGIN.right) / values.length;
  values.forEach((value, i) => {
    const left = MARGIN.left + i * each;
    const column = svg("rect", { class: "column", x: left + 2, y: y(value), width: each - 4, height: y(0) - y(value), rx: 2 });
    column.append(svg("title", {}, `${labels[i]}: ${value}`));
    chart.append(column, svg("text", { x: left + each / 2, y: HEIGHT - 6, "text-anchor": "middle" }, labels[i]));
  });
  return chart;
}

/** @param {{label: string, value: number, text: string}[]} rows the longest bar first */
export function bars(rows, nothing) {
  if (rows.length === 0) return element("p", { class: "quiet" }, nothing);
  const most = Math.max(...rows.map(({ value }) => value));
  const cells = rows.flatMap(({ label, value, text }) => [
    element("span", {}, label),
    element("progress", { max: most, value, "aria-label": label }),
    element("span", {}, text),
  ]);
  return element("div", { class: "rows" }, ...cells);
}

function frame(width, label, highest, y, value) {
  const chart = svg("svg", { class: "chart", viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": label });
  for (const share of [0, 0.5, 1]) {
    const at = y(highest * share);
    chart.append(
      svg("line", { class: "grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: at, y2: at }),
      svg("text", { x: MARGIN.left - 6, y: at + 4, "text-anchor": "end" }, value(highest * share)),
    );
  }
  return chart;
}

/** @returns {number} a round number, even in its half, that is not below another one */
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 6, 8, 10].find((each) => each * power >= value) ?? 10;
  return Math.max(2, step * power);
}
