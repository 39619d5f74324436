// The rate of requests and of ends over time, with a mark for whatever steered it.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { h, mark, say } from "./dom.js";
import { locate } from "./parts.js";
import { clock, count, dated, instant } from "./words.js";

/** Lines of the chart: outcome words that each adds up. Dashes tell them apart as well as colours do. */
const LINES = [
  { name: "Requested", of: ["requested"], color: "--line-requested", dash: [], width: 2, fill: true },
  { name: "Answered", of: ["answered"], color: "--line-answered", dash: [], width: 2 },
  { name: "No answer", of: ["no_answer"], color: "--line-no-answer", dash: [6, 3], width: 1.5 },
  { name: "Busy", of: ["busy"], color: "--line-busy", dash: [2, 3], width: 1.5 },
  { name: "Failed", of: ["failed", "machine", "canceled", "not_dialed", "other"], color: "--line-failed", dash: [8, 3, 2, 3], width: 1.5 },
];
const CONTROLS = {
  DialingStarted: ["▶", "started"],
  DialingStopped: ["■", "stopped"],
  DialingFinished: ["✓", "finished"],
  DialingPaused: ["❚❚", "paused"],
  DialingResumed: ["▶", "resumed"],
  DialingDraining: ["▽", "draining"],
  PlanApplied: ["≡", "plan applied"],
  OutdialDeleted: ["✕", "deleted"],
};
const HEIGHT = 240;

export function chart(sourceOf) {
  const place = h("div", { class: "chart", role: "img", "aria-label": "Requests and ends of attempts over time; the table below says the same" });
  const legend = h("ul", { class: "legend" });
  const steered = h("ol", { class: "steered" });
  const totals = LINES.map((line) => {
    const value = h("a", { class: "n", href: "" }, h("span", {}, "0"));
    legend.append(h("li", {}, swatch(line), h("span", {}, line.name), value));
    return value;
  });
  let plot = null;
  let last = null;
  let made = "";

  const draw = () => {
    if (!last || !place.isConnected || place.clientWidth === 0) return;
    const look = `${place.clientWidth}/${matchMedia("(prefers-color-scheme: dark)").matches}/${document.documentElement.dataset.theme}`;
    if (plot === null || look !== made) {
      plot?.destroy();
      plot = new uPlot(options(place.clientWidth, () => last.controls), last.data, place);
      made = look;
    } else plot.setData(last.data);
  };
  new ResizeObserver(draw).observe(place);

  return {
    element: h("div", {}, place, legend, steered),
    show(found, minutes) {
      const begins = instant(found.begins) / 1000;
      const length = found.requested.length;
      const at = Array.from({ length }, (_, index) => begins + index * found.step_s);
      const rate = 60 / found.step_s;
      const sums = LINES.map((line) => at.map((_, index) => line.of.reduce((sum, name) => sum + found[name][index], 0)));
      // The step that is under way is not over: it would look as if everything had just stopped.
      const data = [at.slice(0, -1), ...sums.map((values) => values.slice(0, -1).map((value) => value * rate))];
      const controls = found.controls.map((one) => ({ ...one, at: instant(one.time) / 1000 })).filter((one) => one.at >= begins);
      last = { data, controls };
      draw();
      sums.forEach((values, index) => {
        const [href, path] = locate(sourceOf(minutes), LINES[index].of.map((name) => `sum(${name})`).join("+"));
        mark(totals[index], "href", href);
        mark(totals[index], "data-json", path);
        say(totals[index].firstElementChild, count(values.reduce((sum, value) => sum + value, 0)));
      });
      const items = controls.slice(0, 4).map((one) => {
        const [sign, word] = CONTROLS[one.type] || ["•", one.type];
        return h("li", {}, h("span", { "aria-hidden": "true" }, sign), ` ${dated(one.at * 1000)} ${word}${one.actor ? ` by ${one.actor}` : ""}`);
      });
      const told = items.map((item) => item.textContent).join("\n");
      if (told !== steered.dataset.told) {
        steered.dataset.told = told;
        steered.replaceChildren(...items);
      }
    },
    destroy: () => plot?.destroy(),
  };
}

function swatch(line) {
  const svg = h("svg", { width: "22", height: "8", viewBox: "0 0 22 8", "aria-hidden": "true", class: "swatch", vars: { line: `var(${line.color})` } });
  svg.append(h("path", { d: "M1 4H21", "stroke-dasharray": line.dash.join(" ") || null, "stroke-width": String(line.width + 0.5) }));
  return svg;
}

function options(width, controls) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${style.getPropertyValue("--sans")}`;
  const axis = { stroke: color("--muted"), font, grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, most) => [0, Math.max(4, most * 1.15)] } },
    axes: [
      { ...axis, space: 80, size: 32, values: (_, ticks) => ticks.map((tick) => clock(tick * 1000).slice(0, width > 500 ? 8 : 5)) },
      { ...axis, size: 46, values: (_, ticks) => ticks.map((tick) => count(tick)) },
    ],
    series: [
      {},
      ...LINES.map((line) => ({
        label: line.name,
        stroke: color(line.color),
        width: line.width,
        dash: line.dash,
        fill: line.fill ? color("--line-fill") : undefined,
        points: { show: false },
      })),
    ],
    hooks: {
      draw: [
        (plot) => {
          const { ctx, bbox } = plot;
          const ratio = devicePixelRatio || 1;
          ctx.save();
          ctx.strokeStyle = color("--muted");
          ctx.fillStyle = color("--text");
          ctx.font = `${11 * ratio}px ${style.getPropertyValue("--sans")}`;
          ctx.textAlign = "center";
          ctx.setLineDash([3 * ratio, 3 * ratio]);
          for (const one of controls()) {
            const x = Math.round(plot.valToPos(one.at, "x", true));
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath();
            ctx.moveTo(x, bbox.top + 14 * ratio);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
            ctx.fillText((CONTROLS[one.type] || ["•"])[0], x, bbox.top + 10 * ratio);
          }
          ctx.restore();
        },
      ],
    },
  };
}
