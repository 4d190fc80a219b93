// The price chart: candles, volume, and the trades of each run as marks that differ in shape.

import { candleBegin, candlesIn, countBelow } from "./bars.js";
import { colourOf } from "./charts.js";
import { shownNumber, shownWords } from "./dom.js";
import { wordIn } from "./trades_data.js";

const MOST_CANDLES = 420, FEWEST_CANDLES = 90, CANDLE_WIDTH = 3; // px
const MOST_MARKED = 300; // trades that are marked one by one; with more, a mark stands for those of a candle
const MOST_TICKS = 600; // candidate bars that are marked

// Plotly's { traces, layout } of what is looked at; notes in `looked.seen` what that is.
export function priceFigure(looked, c) {
  const { market, view, frame } = looked;
  const most = Math.min(Math.max(Math.floor(frame.clientWidth / CANDLE_WIDTH), FEWEST_CANDLES), MOST_CANDLES);
  const candles = candlesIn(market, view[0], view[1], most);
  const runs = looked.runs.filter(({ label }) => looked.shown.has(label));
  const inView = runs.map((run) => ({ run, rows: rowsIn(looked, run) }));
  const trades = inView.reduce((count, { rows }) => count + rows.length, 0);
  looked.seen = { ...candles, trades };
  const marks = inView.flatMap(({ run, rows }) =>
    trades <= MOST_MARKED ? eachTrade(run, rows, candles, looked, c) : perCandle(run, rows, candles, looked, c),
  );
  const ticks = looked.candidates && candles.single ? runs.flatMap((run) => candidateTicks(looked, run, candles, c)) : [];
  return { traces: [candleTrace(candles, market.symbol, c), volumeTrace(candles, c), ...ticks, ...marks], layout: layoutOf(looked, candles, c) };
}

function candleTrace({ time, open, high, low, close }, symbol, c) {
  return {
    type: "candlestick", name: symbol, x: time, open, high, low, close, showlegend: false,
    increasing: { line: { color: c.rise, width: 1 }, fillcolor: c.panel },
    decreasing: { line: { color: c.fall, width: 1 }, fillcolor: c.fall },
  };
}

function volumeTrace({ time, volume }, c) {
  return {
    type: "bar", name: "volume", x: time, y: volume, yaxis: "y2", showlegend: false,
    marker: { color: c.muted, opacity: 0.5, line: { width: 0 } },
  };
}

// ---- trades ----

// The rows of a run's trades in this market that one sees a part of.
function rowsIn({ market, markets, view }, { numbers, length }) {
  const place = markets.indexOf(market), rows = [];
  for (let at = 0; at < length; at++)
    if (numbers.market[at] === place && numbers.closed_at[at] >= view[0] && numbers.opened_at[at] <= view[1]) rows.push(at);
  return rows;
}

// Filled marks for ML-on, hollow and larger ones for the run beside it, so that both can be seen at one place.
function markOf(run, runs, c) {
  const hollow = runs.indexOf(run) < runs.length - 1;
  const color = run.label === "off" ? c.ink : colourOf(run.label, c);
  return { hollow, size: hollow ? 15 : 10, color };
}

function eachTrade(run, rows, { length }, looked, c) {
  const { numbers, words } = run, mark = markOf(run, looked.runs, c);
  const trace = (name, symbol, moments, prices, text) => ({
    type: "scatter", mode: "markers", name: `${run.name} ${name}`, meta: run.label,
    x: rows.map((at) => candleBegin(moments[at], length)), y: rows.map((at) => prices[at]),
    customdata: rows.map((at) => ({ at })), text: rows.map(text), hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: mark.hollow ? `${symbol}-open` : symbol, size: mark.size, color: mark.color, line: { width: 1.6, color: mark.hollow ? mark.color : c.panel } },
  });
  const ways = [["won", c.rise, (at) => numbers.pnl[at] > 0], ["lost", c.fall, (at) => !(numbers.pnl[at] > 0)]];
  return [
    ...ways.map(([name, color, holds]) => waysTrace(run, rows.filter(holds), name, color, length)),
    trace("entry", "triangle-up", numbers.opened_at, numbers.entry_price,
      (at) => `${run.name}, trade ${at + 1}: entry at ${shownPrice(numbers.entry_price[at], looked)}`),
    trace("exit", "triangle-down", numbers.closed_at, numbers.exit_price,
      (at) => `${run.name}, trade ${at + 1}: exit at ${shownPrice(numbers.exit_price[at], looked)}, `
        + `${shownWords(wordIn(words.exit_reason, at))}, ${shownNumber(numbers.pnl[at], 2)}`),
  ];
}

// A line from each entry to its exit.
function waysTrace({ name, numbers }, rows, how, color, length) {
  const both = (first, last) => rows.flatMap((at) => [first(at), last(at), null]);
  return {
    type: "scatter", mode: "lines", name: `${name} ${how}`, showlegend: false, hoverinfo: "skip",
    x: both((at) => candleBegin(numbers.opened_at[at], length), (at) => candleBegin(numbers.closed_at[at], length)),
    y: both((at) => numbers.entry_price[at], (at) => numbers.exit_price[at]),
    line: { color, width: 1.6, dash: how === "won" ? "solid" : "dot" },
  };
}

// One mark for all entries within a candle, below it.
function perCandle(run, rows, candles, looked, c) {
  const mark = markOf(run, looked.runs, c), groups = new Map();
  const below = (Math.max(...candles.high) - Math.min(...candles.low)) * 0.025;
  for (const at of rows) {
    const begin = candleBegin(run.numbers.opened_at[at], candles.length);
    const group = groups.get(begin) ?? { count: 0, pnl: 0, at };
    groups.set(begin, { count: group.count + 1, pnl: group.pnl + run.numbers.pnl[at], at: group.at });
  }
  const begins = [...groups.keys()].sort((a, b) => a - b);
  return [{
    type: "scatter", mode: "markers", name: `${run.name} entries`, meta: run.label,
    x: begins, y: begins.map((begin) => candles.low[countBelow(candles.time, begin)] - below),
    customdata: begins.map((begin) => groups.get(begin).count > 1 ? { from: begin, to: begin + candles.length } : { at: groups.get(begin).at }),
    text: begins.map((begin) => `${run.name}: ${groups.get(begin).count} entries, ${shownNumber(groups.get(begin).pnl, 2)} together`),
    hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: mark.hollow ? "triangle-up-open" : "triangle-up", size: mark.hollow ? 9 : 6, color: mark.color },
  }];
}

// Candidate bars that were scored and not traded.
function candidateTicks({ market, markets, view }, { name, candidates }, { time, low }, c) {
  if (!candidates) return [];
  const { numbers, words } = candidates, place = markets.indexOf(market), rows = [];
  for (let at = 0; at < numbers.market.length && rows.length <= MOST_TICKS; at++) {
    const opened = numbers.decided_at[at] - market.step;
    if (numbers.market[at] === place && opened >= view[0] && opened <= view[1]) rows.push(at);
  }
  if (rows.length === 0 || rows.length > MOST_TICKS) return [];
  const opened = rows.map((at) => numbers.decided_at[at] - market.step);
  return [{
    type: "scatter", mode: "markers", name: `${name} candidates`, x: opened, y: opened.map((each) => low[countBelow(time, each)]),
    text: rows.map((at) => `${name}: score ${shownNumber(numbers.score[at], 1)}, ${shownWords(wordIn(words.outcome, at))}`),
    hovertemplate: "%{text}<extra></extra>", showlegend: false,
    marker: { symbol: "line-ns-open", size: 8, color: c.muted, line: { width: 1.4, color: c.muted } },
  }];
}

// ---- the chosen trade ----

function layoutOf(looked, candles, c) {
  const { view, frame } = looked, levels = candles.single ? levelsOf(looked) : [];
  return {
    xaxis: { type: "date", range: view, fixedrange: false, rangeslider: { visible: false }, anchor: "y2" },
    yaxis: { domain: [0.2, 1], side: "right", range: priceRange(candles, levels), tickformat: ",~f", hoverformat: `,.${looked.market.decimals}f` },
    yaxis2: { domain: [0, 0.15], side: "right", nticks: 3, tickformat: "~s", rangemode: "tozero" },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    legend: { orientation: "h", y: 1.06, yanchor: "bottom", x: 0 },
    hoverdistance: Math.max(1, Math.floor(frame.clientWidth / candles.time.length / 2)), // the marks of one candle
    bargap: 0.15, ...chosenShapes(looked, levels, candles, c),
  };
}

// Entry, stop and target of the chosen trade, as far as they are known.
function levelsOf({ chosen }) {
  if (!chosen) return [];
  const { numbers } = chosen.run, at = chosen.at;
  return [["target", numbers.target?.[at]], ["entry", numbers.entry_price[at]], ["stop", numbers.stop?.[at]]]
    .filter(([, price]) => Number.isFinite(price));
}

function priceRange({ high, low }, levels) {
  const prices = levels.map(([, price]) => price);
  const top = Math.max(...high, ...prices), bottom = Math.min(...low, ...prices);
  const margin = (top - bottom || top) * 0.06;
  return [bottom - margin, top + margin];
}

// What is drawn of the chosen trade: its span, and its levels where bars are wide enough to tell them apart.
function chosenShapes(looked, levels, candles, c) {
  const { chosen, market } = looked;
  if (!chosen) return {};
  const { opened_at, closed_at, entry_price } = chosen.run.numbers, at = chosen.at;
  const half = candles.length / 2, ends = { x0: candleBegin(opened_at[at], candles.length) - half, x1: candleBegin(closed_at[at], candles.length) + half };
  const span = { type: "rect", yref: "y domain", ...ends, y0: 0, y1: 1, fillcolor: c["accent-soft"], line: { width: 0 }, layer: "below" };
  if (candles.single) return levelLines(looked, levels, span, market.step, c);
  const here = { x: opened_at[at], y: entry_price[at], text: `trade ${at + 1}`, ax: 40, ay: -40, arrowcolor: c.accent, font: { color: c.accent } };
  return { shapes: [span], annotations: [here] };
}

function levelLines(looked, levels, span, step, c) {
  const limit = looked.chosen.run.numbers.until?.[looked.chosen.at], known = Number.isFinite(limit);
  const end = Math.max(span.x1, known ? limit + step / 2 : 0);
  const styles = { target: [c.rise, "dash"], entry: [c.ink, "solid"], stop: [c.fall, "dot"] };
  const lines = levels.map(([name, price]) => {
    const [color, dash] = styles[name];
    return { type: "line", x0: span.x0, x1: end, y0: price, y1: price, line: { color, dash, width: 1.6 } };
  });
  const words = levels.map(([name, price]) => note(end, price, `${name} ${shownPrice(price, looked)}`, styles[name][0], c));
  if (!known) return { shapes: [span, ...lines], annotations: words };
  const limitLine = { type: "line", yref: "y domain", x0: limit, x1: limit, y0: 0, y1: 1, line: { color: c.muted, dash: "dashdot", width: 1.2 } };
  const limitWords = { ...note(limit, 1, "time limit", c.muted, c), yref: "y domain", yanchor: "bottom", xanchor: "center", xshift: 0 };
  return { shapes: [span, ...lines, limitLine], annotations: [...words, limitWords] };
}

function note(x, y, text, color, c) {
  return { x, y, text, showarrow: false, xanchor: "left", xshift: 4, font: { color, size: 12 }, bgcolor: c.panel, opacity: 0.9 };
}

export function shownPrice(price, { market }) {
  return shownNumber(price, Math.min(market.decimals, 2), market.decimals);
}
