// What the same trades would have come to at other fees.

import { chart, colourOf } from "./charts.js";

export async function drawCosts(section, data) {
  await chart(section.querySelector('[data-chart="costs"]'), (c) => feeLines(data, c));
}

function feeLines({ fee, runs }, c) {
  const lines = runs.map(({ label, title, fees, expectancy }) => ({
    type: "scatter",
    mode: "lines+markers",
    name: title,
    x: fees,
    y: expectancy,
    line: { color: colourOf(label, c), width: 2 },
    marker: { size: 6 },
    hovertemplate: "%{y:.3%}",
  }));
  const even = runs.filter((run) => run.break_even !== null);
  const marks = {
    type: "scatter",
    mode: "markers",
    name: "Break-even fee",
    x: even.map((run) => run.break_even),
    y: even.map(() => 0),
    marker: { symbol: "diamond", size: 10, color: even.map((run) => colourOf(run.label, c)) },
    hovertemplate: "%{x:.3%}",
  };
  const upright = { type: "line", x0: fee, x1: fee, yref: "paper", y0: 0, y1: 1, line: { color: c.muted, width: 1, dash: "dot" } };
  return {
    traces: even.length ? [...lines, marks] : lines,
    layout: {
      shapes: [upright],
      xaxis: { tickformat: ".3~%", title: { text: "Fee a side", font: { size: 11, color: c.muted } }, zeroline: false },
      yaxis: { tickformat: ".2~%", rangemode: "tozero", zeroline: true, zerolinecolor: c.ink, zerolinewidth: 1.5 },
    },
  };
}
