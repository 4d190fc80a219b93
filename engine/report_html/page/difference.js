// Where the difference comes from: a bridge of net profits, lines of groups, differences around zero.

import { chart } from "./charts.js";

export async function drawDifference(section, data, arrays) {
  const frame = (name) => section.querySelector(`[data-chart="${name}"]`);
  await chart(frame("bridge"), (c) => profitBridge(data.bridge, c));
  await chart(frame("groups"), (c) => groupLines(data.groups, arrays, c));
  for (const forest of data.forests) await chart(frame(`forest-${forest.name}`), (c) => aroundZero(forest, c));
}

function profitBridge(steps, c) {
  const names = ["ML-off", "Removed", "Added", "Moved", "Kept", "ML-on"];
  const trace = {
    type: "waterfall",
    x: names,
    y: steps.map((step, i) => (i === steps.length - 1 ? 0 : step.value)),
    measure: steps.map((_, i) => (i === 0 ? "absolute" : i === steps.length - 1 ? "total" : "relative")),
    text: steps.map((step) => Math.round(step.value).toLocaleString("en").replace("-", "\u2212")),
    textposition: "outside",
    constraintext: "none",
    cliponaxis: false,
    customdata: steps.map((step) => step.title),
    hovertemplate: "%{customdata}: %{text}<extra></extra>",
    increasing: { marker: { color: c.rise } },
    decreasing: { marker: { color: c.fall } },
    totals: { marker: { color: c.muted } },
    connector: { line: { color: c.line, width: 1 } },
  };
  const size = innerWidth < 480 ? 9 : 11; // six names beside each other, on a phone, too
  return {
    traces: [trace],
    layout: { hovermode: "closest", showlegend: false, margin: { l: 56, r: 8, t: 24, b: 24 }, xaxis: { automargin: false, tickangle: 0, tickfont: { size } }, yaxis: { automargin: false, tickformat: ",.0f" } },
  };
}

const GROUP_LINES = {
  added: (c) => ({ color: c.accent, width: 2.2 }),
  removed: (c) => ({ color: c.fall, width: 2.2 }),
  moved_in: (c) => ({ color: c.accent, width: 1.4, dash: "dot" }),
  moved_out: (c) => ({ color: c.fall, width: 1.4, dash: "dot" }),
  kept: (c) => ({ color: c.muted, width: 1.6 }),
};

function groupLines(groups, arrays, c) {
  const traces = groups.map(({ name, title }) => ({
    type: "scatter",
    mode: "lines",
    name: title,
    x: Array.from(arrays[`${name}.time`], (ms) => new Date(ms)),
    y: arrays[`${name}.profit`],
    line: { ...GROUP_LINES[name](c), shape: "hv" },
    hovertemplate: "%{y:,.2f}",
  }));
  return { traces, layout: { yaxis: { zeroline: true, tickformat: ",.0f" } } };
}

const headed = (text, bold) => (bold ? `<b>${text}</b>` : text);

function aroundZero({ title, unit, decides, rows }, c) {
  const known = rows.filter((row) => row.low !== null);
  const colourOfRow = (row) => (!decides ? c.muted : row.low > 0 ? c.rise : row.high < 0 ? c.fall : c.muted);
  const written = (value) => `${value > 0 ? "+" : ""}${value.toPrecision(2)}`.replace("-", "\u2212");
  const traces = known.map((row) => ({
    type: "scatter",
    mode: "markers",
    x: [row.value],
    y: [row.label],
    marker: { color: colourOfRow(row), size: 9 },
    error_x: { type: "data", symmetric: false, array: [row.high - row.value], arrayminus: [row.value - row.low], color: colourOfRow(row), thickness: 2, width: 5 },
    hovertemplate: `${title}, ML-on less ${row.label}: ${written(row.value)} (${written(row.low)} to ${written(row.high)}) ${unit}<extra></extra>`,
  }));
  return {
    traces,
    layout: {
      hovermode: "closest",
      showlegend: false,
      margin: { l: 142, r: 12, t: 28, b: 26 },
      title: { text: headed(`${title}${unit ? `, ${unit}` : ""}`, decides), font: { size: 13 }, x: 0, xref: "container", y: 0.98, yanchor: "top" },
      xaxis: { automargin: false, rangemode: "tozero", zeroline: true, zerolinewidth: 2, zerolinecolor: c.ink, nticks: 5 },
      yaxis: { automargin: false, categoryorder: "array", categoryarray: rows.map((row) => row.label).reverse(), range: [-0.6, rows.length - 0.4] },
    },
  };
}
