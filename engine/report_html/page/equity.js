// The accounts over time: equity, drawdown and what is at work, on one axis of time.

import { chart, colourOf, redraw } from "./charts.js";

const ZOOMS = { closer: 0.5, farther: 2 };

export async function drawEquity(section, data, arrays) {
  const frame = section.querySelector('[data-chart="equity"]');
  const shown = { log: false, hidden: new Set(), range: null };
  await chart(frame, (c) => accountTraces(data, arrays, shown, c));
  const whole = [...frame._fullLayout.xaxis.range];
  frame.on("plotly_relayout", (change) => {
    if (change["xaxis.range[0]"]) shown.range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (change["xaxis.autorange"]) shown.range = null;
  });
  for (const button of section.querySelectorAll("[data-line]"))
    button.addEventListener("click", () => {
      const { line } = button.dataset;
      if (!shown.hidden.delete(line)) shown.hidden.add(line);
      button.setAttribute("aria-pressed", !shown.hidden.has(line));
      redraw(frame);
    });
  const scale = section.querySelector("[data-scale]");
  scale.addEventListener("click", () => {
    shown.log = !shown.log;
    scale.setAttribute("aria-pressed", shown.log);
    redraw(frame);
  });
  for (const button of section.querySelectorAll("[data-move]"))
    button.addEventListener("click", () => {
      shown.range = stepThrough(button.dataset.move, shown.range ?? whole, whole);
      redraw(frame);
    });
}

// The range of time after a step; never beyond the whole, null for the whole.
export function stepThrough(move, range, whole) {
  if (move === "whole") return null;
  const [first, last] = whole.map(momentIn);
  const [begin, end] = range.map(momentIn);
  const span = Math.min((end - begin) * (ZOOMS[move] ?? 1), last - first);
  const step = { earlier: -0.5 * span, later: 0.5 * span }[move] ?? 0;
  const middle = (begin + end) / 2 + step;
  const from = Math.min(Math.max(middle - span / 2, first), last - span);
  return [from, from + span].map((ms) => new Date(ms).toISOString());
}

// Plotly writes moments in UTC, without saying so.
function momentIn(moment) {
  if (typeof moment === "number") return moment;
  const text = String(moment).replace(" ", "T");
  return Date.parse(text.endsWith("Z") ? text : `${text.length > 10 ? text : `${text}T00:00`}Z`);
}

function accountTraces(data, arrays, shown, c) {
  const traces = [];
  if (data.band !== null && !shown.hidden.has("band")) traces.push(...gateBand(data.band, arrays, c));
  for (const { name, title, exposed } of data.accounts) {
    if (shown.hidden.has(name)) continue;
    const line = { color: accountColour(name, c), width: name === "on" || name === "off" ? 1.8 : 1.2, dash: name === "volatility" ? "dot" : "solid" };
    const common = { type: "scatter", mode: "lines", name: title, line };
    const x = Array.from(arrays[`${name}.time`]);
    traces.push({ ...common, x, y: arrays[`${name}.equity`], hovertemplate: "%{y:,.2f}" });
    traces.push({ ...common, x, y: arrays[`${name}.below`], yaxis: "y2", hovertemplate: "%{y:.2%}" });
    if (exposed)
      traces.push({ ...common, line: { ...line, width: 1, shape: "hv" }, x: Array.from(arrays[`${name}.begin`]), y: arrays[`${name}.share`], yaxis: "y3", hovertemplate: "%{y:.1%}" });
  }
  const axis = (title, domain, more) => ({ title: { text: title, font: { size: 11, color: c.muted }, standoff: 6 }, domain, zeroline: false, ...more });
  return {
    traces,
    layout: {
      showlegend: false,
      xaxis: { type: "date", fixedrange: false, anchor: "y3", ...(shown.range ? { range: shown.range, autorange: false } : { autorange: true }) },
      yaxis: axis("Equity", [0.44, 1], { type: shown.log ? "log" : "linear", tickformat: ",~r" }),
      yaxis2: axis("Drawdown", [0.19, 0.41], { tickformat: ",~%", rangemode: "tozero" }),
      yaxis3: axis("In positions", [0, 0.16], { tickformat: ",~%", rangemode: "tozero" }),
    },
  };
}

function gateBand(title, arrays, c) {
  const common = { type: "scatter", mode: "lines", x: Array.from(arrays["band.time"]), line: { width: 0 } };
  return [
    { ...common, y: arrays["band.low"], name: `${title}, low`, hovertemplate: "%{y:,.2f}" },
    { ...common, y: arrays["band.high"], name: `${title}, high`, hovertemplate: "%{y:,.2f}", fill: "tonexty", fillcolor: c["accent-soft"] },
  ];
}

function accountColour(name, c) {
  return name === "volatility" ? c.fall : colourOf(name, c);
}
