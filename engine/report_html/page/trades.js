// The trades: how their returns are spread, what they have in common, each of them.

import { chart, colourOf } from "./charts.js";
import { tradedRuns } from "./trades_data.js";
import { linkToPrices, tradeTable } from "./trade_table.js";

export async function drawTrades(section, own) {
  if (!own.spread) return;
  const data = { ...own, ...(await tradedRuns()) }, { runs } = data;
  const frame = (name) => section.querySelector(`[data-chart="${name}"]`);
  await chart(frame("spread"), (c) => returnBars(data, c));
  for (const each of data.breakdowns) await chart(frame(`by-${each.name}`), (c) => bandBars(each, data, c));
  const table = tradeTable(section.querySelector(".every-trade"), runs, data);
  const ways = new Set();
  const choose = async (label) => {
    for (const button of section.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === label);
    for (const part of section.querySelectorAll(".one-run")) part.hidden = part.dataset.run !== label;
    const run = runs.find((each) => each.label === label);
    table.show(run);
    const way = frame(`way-${label}`);
    if (!way || ways.has(label)) return;
    ways.add(label);
    await chart(way, (c) => wayDots(run, data.mostDots, c));
  };
  for (const button of section.querySelectorAll("[data-show]")) button.addEventListener("click", () => choose(button.dataset.show));
  for (const head of section.querySelectorAll(".one-run h4")) head.hidden = true;
  for (const run of runs)
    for (const row of section.querySelectorAll(`[data-run="${run.label}"] [data-trade]`)) linkToPrices(row.cells[0], run, Number(row.dataset.trade));
  await choose(runs.at(-1).label);
}

function returnBars({ spread, runs }, c) {
  const { edges, counts, means, open } = spread;
  const traded = runs.filter((run) => counts[run.label]);
  const middle = edges.slice(1).map((edge, i) => (edge + edges[i]) / 2);
  const last = middle.length - 1;
  const between = middle.map((_, i) => {
    if (i === 0 && open[0]) return `below ${percentText(edges[1])}`;
    return i === last && open[1] ? `above ${percentText(edges[i])}` : `${percentText(edges[i])} to ${percentText(edges[i + 1])}`;
  });
  const traces = traded.map((run) => ({
    type: "bar",
    name: run.name,
    x: middle,
    y: counts[run.label].map((count) => (100 * count) / run.length),
    width: edges[1] - edges[0],
    customdata: counts[run.label].map((count, i) => [count, between[i]]),
    marker: { color: colourOf(run.label, c), line: { width: 0 } },
    opacity: traded.length > 1 ? 0.6 : 0.9,
    hovertemplate: "%{customdata[1]}: %{customdata[0]:,} trades, %{y:.1f} %",
  }));
  const lines = traded.map((run) => ({
    type: "line", xref: "x", yref: "paper", y0: 0, y1: 1, x0: means[run.label], x1: means[run.label],
    line: { color: colourOf(run.label, c), width: 2, dash: "dash" },
  }));
  return {
    traces,
    layout: {
      barmode: "overlay",
      shapes: lines,
      margin: { l: 34, r: 8, t: 8, b: 24 },
      xaxis: { automargin: false, zeroline: true, zerolinewidth: 2, zerolinecolor: c.ink, ticksuffix: " %" },
      yaxis: { automargin: false, rangemode: "tozero" },
      hovermode: "closest",
      showlegend: traded.length > 1,
    },
  };
}

function percentText(value) {
  return `${Number(value.toFixed(3))}\u00a0%`.replace("-", "\u2212");
}

// Short enough to stand side by side on a phone.
function shortBand(band) {
  return band.replace(" to ", "\u2013").replaceAll("0.", ".").replace(" ", "<br>");
}

function bandBars({ bands, runs: shown }, { runs }, c) {
  const traces = shown.map(({ label, mean, error, trades, wins }) => ({
    type: "bar",
    name: runs.find((run) => run.label === label).name,
    x: bands.map(shortBand),
    y: mean,
    customdata: trades.map((count, i) => [count, count ? (100 * wins[i]) / count : 0, bands[i]]),
    error_y: { type: "data", array: error.map((value) => 2 * (value ?? 0)), color: c.ink, thickness: 1, width: 0 },
    marker: { color: colourOf(label, c) },
    hovertemplate: "%{customdata[2]}: %{y:.3f} %, %{customdata[0]:,} trades, %{customdata[1]:.1f} % won",
  }));
  return {
    traces,
    layout: {
      barmode: "group",
      bargap: 0.25,
      showlegend: false,
      hovermode: "closest",
      margin: { l: 38, r: 4, t: 6, b: 34 },
      xaxis: { type: "category", automargin: false, tickangle: 0, tickfont: { size: 11 } },
      yaxis: { automargin: false, zeroline: true, zerolinewidth: 2, zerolinecolor: c.muted, nticks: 5 },
    },
  };
}

function wayDots({ numbers, length }, most, c) {
  const stride = Math.max(1, Math.ceil(length / most));
  const places = Array.from({ length: Math.ceil(length / stride) }, (_, i) => i * stride);
  const kinds = [
    { name: "no net profit", color: c.fall, of: (i) => numbers.pnl[i] <= 0 },
    { name: "net profit", color: c.rise, of: (i) => numbers.pnl[i] > 0 },
  ];
  const traces = kinds.map(({ name, color, of }) => {
    const own = places.filter(of);
    return {
      type: "scatter",
      mode: "markers",
      name,
      x: own.map((i) => 100 * numbers.worst[i]),
      y: own.map((i) => 100 * numbers.best[i]),
      customdata: own.map((i) => [i + 1, 100 * numbers.return[i]]),
      marker: { color, size: 5, opacity: 0.6 },
      hovertemplate: "trade %{customdata[0]}: %{x:.2f} % behind, %{y:.2f} % ahead, ended at %{customdata[1]:.3f} %<extra></extra>",
    };
  });
  return {
    traces,
    layout: {
      hovermode: "closest",
      margin: { l: 46, r: 8, t: 8, b: 42 },
      xaxis: { automargin: false, title: { text: "furthest behind, %", font: { size: 11 } } },
      yaxis: { automargin: false, title: { text: "furthest ahead, %", font: { size: 11 } } },
    },
  };
}
