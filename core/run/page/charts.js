// The charts of the last hour, drawn by uPlot. Each has a legend of its own: what its lines are, and their values under the pointer, or now.

import { byId, element, setText } from "./elements.js";
import { bytes, clock, count, duration, rate, spaced } from "./format.js";

const HOUR_S = 3600, LEAST_S = 600, HEIGHT = 160;
const STEPS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 3e4, 6e4, 12e4, 3e5, 6e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 2592e6];
const ms = (n) => spaced(duration(n));
const transactions = (what) => (n) => n.series((a, b) => n.between(a, b)?.[what] ?? null);

// id, how a value reads, how far the axis goes at least, its lines ([name, colour, values of the numbers]), and what it means where there are none.
const CHARTS = [
  ["chart-events", rate, 10, [
    ["read", "--c1", (n) => n.rates("read")],
    ["written", "--c3", (n) => n.rates("written")],
    ["filtered", "--c2", (n) => n.rates("filtered")],
    ["dead", "--c4", (n) => n.rates("dead")],
  ]],
  ["chart-lag", count, 10, [["messages", "--c2", (n) => n.values("lag")]], "the source does not tell"],
  ["chart-behind", ms, 1000, [["oldest", "--c2", (n) => n.values("lag_ms")]], "the source does not tell"],
  ["chart-commit", ms, 10, [["p50", "--c1", transactions("p50")], ["p99", "--c4", transactions("p99")]], "nothing was written"],
  ["chart-batch", count, 10, [["rows", "--c1", transactions("rows")]], "nothing was written"],
  ["chart-memory", (n) => spaced(bytes(n)), 1e6, [["events", "--c3", (n) => n.values("memory_bytes")]]],
];

const drawn = CHARTS.map(([id, read, least, lines, empty]) => ({ place: byId(id), read, least, lines, empty, plot: null, legend: null }));

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function options({ place, read, least, lines }, hooks) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width: place.clientWidth,
    height: HEIGHT,
    padding: [8, 12, 0, 0],
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    legend: { show: false },
    hooks,
    scales: {
      x: { range: (u, from, until) => [Math.max(until - HOUR_S, Math.min(from, until - LEAST_S)), until] },
      y: { range: (u, from, until) => [0, Math.max(least, until * 1.1)] },
    },
    axes: [
      { ...axis, space: 60, size: 28, values: (u, at) => at.map((s) => clock(s * 1000, false)) },
      { ...axis, space: 36, size: 62, values: (u, at) => at.map(read), ...(read === ms && { incrs: STEPS_MS }) },
    ],
    series: [{}, ...lines.map(([label, name]) => ({ label, stroke: colour(name), width: 1.75, points: { show: false } }))],
  };
}

// At that point of the hour; null: now.
function showLegend(chart, at) {
  const [times, ...lines] = chart.values, now = at == null;
  const texts = lines.map((values) => {
    const value = now ? values.at(-1) : values[at];
    return value == null ? "–" : chart.read(value);
  });
  texts.forEach((text, i) => setText(chart.legend.children[i].lastChild, ` ${text}`));
  setText(chart.legend.lastChild, now ? "" : clock(times[at] * 1000));
  if (now) chart.place.setAttribute("aria-label", `chart of the last hour; now ${chart.lines.map(([name], i) => `${name} ${texts[i]}`).join(", ")}`);
}

function makeLegend({ place, lines }) {
  const item = ([name, colour]) => element("span", {}, element("i", { class: colour.slice(2), "aria-hidden": "true" }), `${name}`, element("b"));
  const legend = element("p", { class: "legend" }, ...lines.map(item), element("span", { class: "quiet" }));
  place.previousElementSibling.querySelector(".legend")?.remove();
  place.previousElementSibling.append(legend);
  return legend;
}

function measure(chart, numbers) {
  chart.values = [numbers.times(), ...chart.lines.map(([, , values]) => values(numbers))];
  chart.place.querySelector(".waits")?.remove();
  const [times, ...lines] = chart.values;
  const empty = times.length < 3 ? "a point every ten seconds" : lines.every((values) => values.every((v) => v == null)) ? chart.empty : "";
  if (empty) chart.place.append(element("p", { class: "waits", text: empty }));
}

export function draw(numbers) {
  for (const chart of drawn) {
    chart.plot?.destroy();
    measure(chart, numbers);
    chart.legend = makeLegend(chart);
    chart.place.setAttribute("role", "img");
    chart.plot = new uPlot(options(chart, { setCursor: [(u) => showLegend(chart, u.cursor.left >= 0 ? u.cursor.idx : null)] }), chart.values, chart.place);
    showLegend(chart, null);
  }
}

export function extend(numbers) {
  for (const chart of drawn) {
    measure(chart, numbers);
    chart.plot.setData(chart.values);
    showLegend(chart, chart.plot.cursor.left >= 0 ? chart.plot.cursor.idx : null);
  }
}

new ResizeObserver(() => {
  for (const { plot, place } of drawn) if (plot && place.clientWidth && plot.width !== place.clientWidth) plot.setSize({ width: place.clientWidth, height: HEIGHT });
}).observe(document.body);
