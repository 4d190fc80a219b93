// The ensemble: reliability, ROC, outcomes and members, drift and windows.

import { chart, colourOf, redraw } from "./charts.js";

export async function drawModel(section, data) {
  const frame = (name) => section.querySelector(`[data-chart="${name}"]`);
  const draw = async (name, make) => frame(name) && (await chart(frame(name), make));
  let chosen = data.predictors?.find((each) => each.reliability);
  if (chosen) {
    await draw("reliability", (c) => reliabilityDiagram(chosen, c));
    await draw("roc", (c) => rocCurves(data.predictors, chosen, c));
    await draw("outcomes", (c) => outcomeShares(chosen, data, c));
    await draw("contribution", (c) => memberContributions(data.predictors, c));
  }
  if (data.followed) await draw("followed", (c) => followedFeatures(data.followed, c));
  if (data.drift) await draw("drift", (c) => driftedFeatures(data.drift, c));
  if (data.windows) {
    await draw("window-auc", (c) => windowAreas(data.windows, c));
    await draw("window-expectancy", (c) => windowExpectancies(data.windows, c));
  }
  const buttons = [...section.querySelectorAll("[data-predictor]")];
  for (const button of buttons)
    button.addEventListener("click", () => {
      chosen = data.predictors.find((each) => each.name === button.dataset.predictor);
      for (const each of buttons) each.setAttribute("aria-pressed", String(each === button));
      for (const name of ["reliability", "roc", "outcomes"]) redraw(frame(name));
    });
}

const asPercent = (value) => `${(100 * value).toFixed(1)}\u00a0%`;

// Bins of fewer rows are drawn faintly: their intervals would fill the chart and tell nothing.
const FEW_RELIABLE_ROWS = 20;

function reliabilityDiagram({ reliability }, c) {
  const told = reliability.filter((bin) => bin.rows >= FEW_RELIABLE_ROWS);
  const few = reliability.filter((bin) => bin.rows < FEW_RELIABLE_ROWS);
  const end = Math.min(1, Math.max(0.2, ...reliability.map((bin) => bin.said), ...told.map((bin) => bin.came.high)) + 0.03);
  return {
    traces: [chanceDiagonal(c, end), reliabilityDots(few, { mode: "markers", marker: { color: c.muted, size: 6, symbol: "circle-open" } }), solidReliabilityDots(told, c)],
    layout: {
      hovermode: "closest",
      showlegend: false,
      xaxis: { title: { text: "probability" }, range: [0, end], tickformat: ".0%" },
      yaxis: { title: { text: "came true" }, range: [0, end], tickformat: ".0%" },
    },
  };
}

function reliabilityDots(bins, style) {
  return {
    type: "scatter",
    x: bins.map((bin) => bin.said),
    y: bins.map((bin) => bin.came.value),
    cliponaxis: false,
    hovertemplate: bins.map(
      (bin) => `said ${asPercent(bin.said)}, came true ${asPercent(bin.came.value)} (${asPercent(bin.came.low)} to ${asPercent(bin.came.high)})<br>${bin.rows.toLocaleString("en")} rows<extra></extra>`,
    ),
    ...style,
  };
}

function solidReliabilityDots(bins, c) {
  const most = Math.max(...bins.map((bin) => bin.rows), 1);
  return reliabilityDots(bins, {
    mode: "lines+markers",
    marker: { color: c.accent, size: bins.map((bin) => 6 + 14 * Math.sqrt(bin.rows / most)) },
    line: { color: c.accent, width: 1.5 },
    error_y: {
      type: "data",
      symmetric: false,
      array: bins.map((bin) => bin.came.high - bin.came.value),
      arrayminus: bins.map((bin) => bin.came.value - bin.came.low),
      color: c.accent,
      thickness: 1.5,
      width: 4,
    },
  });
}

function rocCurves(predictors, chosen, c) {
  const dressedAs = (each) => {
    if (each === chosen) return { color: c.accent, width: 2.6 };
    if (each.kind === "baseline") return { color: c.warn, width: 1.6, dash: "dot" };
    return { color: each.kind === "ensemble" ? c.ink : c.muted, width: 1 };
  };
  const curves = predictors
    .filter((each) => each.curve)
    .sort((one, other) => (one === chosen) - (other === chosen))
    .map((each) => ({
      type: "scatter",
      mode: "lines",
      name: `${each.name} ${each.roc_auc.value.toFixed(3)}`,
      x: each.curve.zeros,
      y: each.curve.ones,
      line: dressedAs(each),
      hovertemplate: `${each.name}, AUC ${each.roc_auc.value.toFixed(3)}: %{y:.0%} of what came true for %{x:.0%} of what did not<extra></extra>`,
    }));
  return {
    traces: [chanceDiagonal(c, 1), ...curves],
    layout: {
      hovermode: "closest",
      showlegend: false,
      xaxis: { title: { text: "of what did not come true" }, range: [0, 1], tickformat: ".0%" },
      yaxis: { title: { text: "of what came true" }, range: [0, 1], tickformat: ".0%" },
    },
  };
}

function chanceDiagonal(c, end) {
  return { type: "scatter", mode: "lines", x: [0, end], y: [0, end], line: { color: c.muted, width: 1, dash: "dash" }, hoverinfo: "skip", showlegend: false };
}

function outcomeShares({ histogram }, { edges, thresholds }, c) {
  const middles = edges.slice(1).map((edge, i) => (edge + edges[i]) / 2);
  const bars = (counts, name, color) => {
    const whole = counts.reduce((sum, count) => sum + count, 0) || 1;
    return {
      type: "bar",
      name: `${name} (${whole.toLocaleString("en")})`,
      x: middles,
      y: counts.map((count) => count / whole),
      customdata: counts,
      marker: { color, line: { width: 0 } },
      opacity: 0.6,
      hovertemplate: `%{customdata:,} bars, %{y:.1%}`,
    };
  };
  const lines = namedLines(thresholds);
  const traces = [bars(histogram.zeros, "did not come true", c.fall), bars(histogram.ones, "came true", c.rise)];
  const highest = Math.max(...traces.flatMap((trace) => trace.y));
  return {
    traces,
    layout: {
      barmode: "overlay",
      bargap: 0.06,
      xaxis: { title: { text: "probability" }, range: [0, 1], dtick: 0.1, tickformat: ".1f" },
      yaxis: { tickformat: ".0%", range: [0, 1.3 * highest] }, // room for the names of the thresholds
      shapes: Object.values(thresholds).map((at) => ({ type: "line", x0: at, x1: at, y0: 0, y1: 1, yref: "paper", line: { color: c.muted, width: 1, dash: "dash" } })),
      annotations: lines.map(({ names, at }) => ({ x: at, y: 1, yref: "paper", yanchor: "top", xanchor: "right", text: names.join(", "), textangle: -90, showarrow: false, font: { size: 11, color: c.muted } })),
    },
  };
}

// Thresholds that lie too close for a name each share one.
function namedLines(thresholds) {
  const lines = [];
  for (const [name, at] of Object.entries(thresholds).sort(([, one], [, other]) => one - other)) {
    if (lines.length && at - lines.at(-1).at < 0.04) lines.at(-1).names.push(name);
    else lines.push({ names: [name], at });
  }
  return lines;
}

function memberContributions(predictors, c) {
  const members = predictors.filter((each) => each.contribution?.roc_auc.value != null).reverse();
  const colour = ({ low, high }) => (low > 0 ? c.rise : high !== null && high < 0 ? c.fall : c.muted);
  const trace = {
    type: "scatter",
    mode: "markers",
    x: members.map((each) => each.contribution.roc_auc.value),
    y: members.map((each) => each.name),
    marker: { color: members.map((each) => colour(each.contribution.roc_auc)), size: 9 },
    hovertemplate: members.map((each) => `${each.name}: ${each.contribution.roc_auc.value.toFixed(4)}<extra></extra>`),
  };
  const reaches = members
    .filter((each) => each.contribution.roc_auc.low !== null)
    .map((each) => ({
      type: "scatter",
      mode: "lines",
      x: [each.contribution.roc_auc.low, each.contribution.roc_auc.high],
      y: [each.name, each.name],
      line: { color: colour(each.contribution.roc_auc), width: 2 },
      hoverinfo: "skip",
    }));
  const ends = members.flatMap((each) => [0, each.contribution.roc_auc.low, each.contribution.roc_auc.high, each.contribution.roc_auc.value]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = 0.08 * (high - low || 0.01); // so that one sees where an interval ends
  return {
    traces: [...reaches, trace],
    layout: {
      hovermode: "closest",
      showlegend: false,
      xaxis: { range: [low - room, high + room], title: { text: "AUC with it, less without" }, zeroline: true, zerolinewidth: 2, zerolinecolor: c.ink },
      yaxis: { categoryorder: "array", categoryarray: members.map((each) => each.name) },
    },
  };
}

function followedFeatures(features, c) {
  const rows = features.toReversed();
  const trace = {
    type: "bar",
    orientation: "h",
    x: rows.map((each) => each.correlation),
    y: rows.map((each) => each.name),
    marker: { color: rows.map((each) => (each.correlation > 0 ? c.rise : c.fall)) },
    hovertemplate: rows.map((each) => `${each.name} (${each.family}): ${each.correlation.toFixed(2)}<extra></extra>`),
  };
  return { traces: [trace], layout: { hovermode: "closest", showlegend: false, bargap: 0.35, xaxis: { zeroline: true, zerolinecolor: c.ink } } };
}

function driftedFeatures(drift, c) {
  const trace = {
    type: "scatter",
    mode: "lines",
    name: "features that drifted",
    x: drift.ends,
    y: drift.drifted,
    line: { color: c.accent, width: 2, shape: "hv" },
    fill: "tozeroy",
    fillcolor: c["accent-soft"],
    hovertemplate: `%{y} of ${drift.features.length}`,
  };
  return {
    traces: [trace],
    layout: {
      showlegend: false,
      yaxis: { title: { text: "features" }, range: [0, 1.15 * Math.max(drift.most_features, ...drift.drifted)] },
      shapes: [{ type: "line", x0: 0, x1: 1, xref: "paper", y0: drift.most_features, y1: drift.most_features, line: { color: c.fall, width: 1.5, dash: "dash" } }],
    },
  };
}

const windowTitle = ({ window, train_end }) => `${window}<br>${train_end.slice(0, 10)}`;

function windowAreas(windows, c) {
  const known = windows.filter(({ roc_auc }) => roc_auc.value !== null);
  const trace = {
    type: "scatter",
    mode: "markers",
    x: known.map(windowTitle),
    y: known.map(({ roc_auc }) => roc_auc.value),
    marker: { color: c.accent, size: 9 },
    error_y: {
      type: "data",
      symmetric: false,
      array: known.map(({ roc_auc }) => (roc_auc.high ?? roc_auc.value) - roc_auc.value),
      arrayminus: known.map(({ roc_auc }) => roc_auc.value - (roc_auc.low ?? roc_auc.value)),
      color: c.accent,
    },
    hovertemplate: "%{y:.3f}<extra></extra>",
  };
  const chance = { type: "line", x0: 0, x1: 1, xref: "paper", y0: 0.5, y1: 0.5, line: { color: c.muted, width: 1, dash: "dash" } };
  return { traces: [trace], layout: { showlegend: false, xaxis: { type: "category" }, shapes: [chance] } };
}

function windowExpectancies(windows, c) {
  const labels = Object.keys(windows[0]?.trades ?? {});
  const traces = labels.map((label) => ({
    type: "bar",
    name: `ML-${label}`,
    x: windows.map(windowTitle),
    y: windows.map(({ trades }) => trades[label].expectancy),
    marker: { color: colourOf(label, c) },
    hovertemplate: "%{y:.3%}",
  }));
  return { traces, layout: { xaxis: { type: "category" }, yaxis: { tickformat: ".2%", zeroline: true } } };
}
