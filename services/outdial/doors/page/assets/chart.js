// The rate of requests and of ends over time, with a mark for whatever steered it, and the limits it keeps to.

import uPlot from "./vendor/uplot/uPlot.esm.js";
import { h, mark, say } from "./dom.js";
import { REASONED } from "./events.js";
import { locate, number } from "./parts.js";
import { clock, count, dated, instant } from "./words.js";

/** Lines of the chart: outcome words that each adds up. Dashes tell them apart as well as colours do. */
const LINES = [
  { name: "Requested", of: ["requested"], color: "--line-requested", dash: [], width: 2, fill: true },
  { name: "Answered", of: ["answered"], color: "--line-answered", dash: [], width: 2 },
  { name: "No answer", of: ["no_answer"], color: "--line-no-answer", dash: [6, 3], width: 1.5 },
  { name: "Busy", of: ["busy"], color: "--line-busy", dash: [2, 3], width: 1.5 },
  { name: "Ended otherwise", of: ["failed", "machine", "canceled", "not_dialed", "other"], color: "--line-failed", dash: [8, 3, 2, 3], width: 1.5 },
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
const LIMITS = {
  plan: { name: "Limit of the plan", color: "--line-limit", dash: [10, 4], width: 1.5 },
  customer: { name: "Of all lists together", color: "--line-limit", dash: [3, 3, 10, 3], width: 1.5 },
};
/** So many times as high as what was dialed a limit may be, and still have the chart drawn up to it. */
const WITHIN = 3;

/** `limitsFrom`: by name of a limit, where its calls per second stand: [source, path]. */
export function chart(sourceOf, limitsFrom) {
  const place = h("div", { class: "chart", role: "img", "aria-label": "Requests and ends of attempts over time; the table below says the same" });
  const legend = h("ul", { class: "legend" });
  const steered = h("ol", { class: "steered" });
  const totals = LINES.map((line) => {
    const value = h("a", { class: "n", href: "" }, h("span", {}, "0"));
    legend.append(h("li", {}, swatch(line), h("span", {}, line.name), value));
    return value;
  });
  const limits = {};
  const limited = Object.entries(limitsFrom).map(([name, [source, path]]) => {
    const line = LIMITS[name];
    const value = number(source, path, `${line.name}, calls a second`);
    const above = h("span");
    const entry = h("li", { hidden: true }, swatch(line), h("span", {}, line.name), value.element, h("span", {}, "a second"), above);
    value.set(0);
    legend.append(entry);
    return { name, value, entry, above };
  });
  const reasons = new Map();
  const keyOf = ({ type, time }) => `${type} ${instant(time)}`;
  let shown = null;
  let plot = null;
  let last = null;
  let made = "";

  const draw = () => {
    if (!last || !place.isConnected || place.clientWidth === 0) return;
    const look = `${place.clientWidth}/${matchMedia("(prefers-color-scheme: dark)").matches}/${document.documentElement.dataset.theme}`;
    if (plot === null || look !== made) {
      plot?.destroy();
      plot = new uPlot(options(place.clientWidth, () => last.controls, limits), last.data, place);
      made = look;
    } else plot.setData(last.data);
    const top = height(Math.max(...last.data.slice(1).flat()), limits);
    for (const { name, above } of limited) say(above, 60 * (limits[name] ?? 0) > top ? "· higher than drawn" : "");
  };
  new ResizeObserver(draw).observe(place);

  return {
    element: h("div", {}, place, legend, steered),
    show(found, minutes) {
      shown = [found, minutes];
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
        return h("li", {}, h("span", { "aria-hidden": "true" }, sign), ` ${dated(one.at * 1000)} ${word}${one.actor ? ` by ${one.actor}` : ""}${reasons.get(keyOf(one)) ? `: ${reasons.get(keyOf(one))}` : ""}`);
      });
      const told = items.map((item) => item.textContent).join("\n");
      if (told !== steered.dataset.told) {
        steered.dataset.told = told;
        steered.replaceChildren(...items);
      }
    },
    /** Whether it was told why this was done, be it for no reason. */
    knows: (control) => reasons.has(keyOf(control)),
    /** Learn from events why the dialing was steered. */
    explain(events) {
      const steering = events.filter((event) => REASONED.has(event.type));
      for (const event of steering) reasons.set(keyOf(event), event.data.reason || "");
      if (steering.length && shown) this.show(...shown);
    },
    /** Calls a second a limit lets through; nothing: there is none. */
    limit(name, perSecond) {
      const wanted = perSecond || null;
      if ((limits[name] ?? null) === wanted) return;
      limits[name] = wanted;
      const { value, entry } = limited.find((one) => one.name === name);
      entry.hidden = wanted === null;
      value.set(wanted ?? 0);
      draw();
    },
    destroy: () => plot?.destroy(),
  };
}

/** As high as the lines, and as the limits that are not far above them. */
function height(most, limits) {
  const least = Math.max(4, most);
  const near = Object.values(limits).map((limit) => 60 * (limit ?? 0)).filter((limit) => limit <= WITHIN * least);
  return Math.max(4, 1.15 * most, ...near.map((limit) => 1.1 * limit));
}

function swatch(line) {
  const svg = h("svg", { width: "22", height: "8", viewBox: "0 0 22 8", "aria-hidden": "true", class: "swatch", vars: { line: `var(${line.color})` } });
  svg.append(h("path", { d: "M1 4H21", "stroke-dasharray": line.dash.join(" ") || null, "stroke-width": String(line.width + 0.5) }));
  return svg;
}

function options(width, controls, limits) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const font = `12px ${style.getPropertyValue("--sans")}`;
  const axis = { stroke: color("--muted"), font, grid: { stroke: color("--grid"), width: 1 }, ticks: { show: false } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: { y: { range: (_, __, most) => [0, height(most ?? 0, limits)] } },
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
          // What the plan before allowed is not known here: its line begins with the plan.
          const planned = controls().find((one) => one.type === "PlanApplied")?.at;
          for (const [name, perSecond] of Object.entries(limits)) {
            if (!perSecond || 60 * perSecond > plot.scales.y.max) continue;
            const begins = name === "plan" && planned !== undefined ? Math.max(bbox.left, plot.valToPos(planned, "x", true)) : bbox.left;
            const y = Math.round(plot.valToPos(60 * perSecond, "y", true));
            ctx.strokeStyle = color(LIMITS[name].color);
            ctx.lineWidth = LIMITS[name].width * ratio;
            ctx.setLineDash(LIMITS[name].dash.map((one) => one * ratio));
            ctx.beginPath();
            ctx.moveTo(begins, y);
            ctx.lineTo(bbox.left + bbox.width, y);
            ctx.stroke();
          }
          ctx.restore();
        },
      ],
    },
  };
}
