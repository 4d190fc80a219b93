// The price chart: candles, volume, and the trades of each run, off the candles, as marks that differ in shape.

import { candleBegin, candlesIn, countBelow } from "./bars.js";
import { colourOf } from "./charts.js";
import { shownNumber, shownWords } from "./dom.js";
import { wordIn } from "./trades_data.js";

const MOST_CANDLES = 420, FEWEST_CANDLES = 90, CANDLE_WIDTH = 3; // px
const CANDLES_A_TRADE = 3; // with fewer, trades are counted below the prices and not marked one by one
const MOST_CANDIDATES_MARKED = 600;
const MARK = 10, MARK_GAP = 4; // px: marks stand off the candles, one run's beyond the other's
const SIDES = { entry: ["triangle-up", -1], exit: ["triangle-down", 1] }; // below lows, above highs
const NARROW = 600; // px: too little for words beside the prices

// Plotly's { traces, layout } of what is looked at; notes in `looked.seen` what that is.
export function priceFigure(looked, c) {
  const { market, view, frame } = looked;
  const most = Math.min(Math.max(Math.floor(frame.clientWidth / CANDLE_WIDTH), FEWEST_CANDLES), MOST_CANDLES);
  const candles = candlesIn(market, view[0], view[1], most);
  const inView = looked.runs.map((run) => ({ run, rows: rowsIn(looked, run), shown: looked.shown.has(run.label) }));
  const shown = inView.filter((each) => each.shown);
  const levels = candles.single ? levelsOf(looked) : [];
  const range = priceRange(candles, levels);
  const sparse = shown.every(({ rows }) => rows.length * CANDLES_A_TRADE <= candles.time.length);
  const marks = sparse ? shown.flatMap(({ run, rows }, lane) => eachTrade(run, rows, lane, { ...candles, range }, looked, c)) : [];
  const strip = sparse ? candidateStrip(looked, shown, candles, c) : entryStrip(looked, shown, candles, c);
  looked.seen = { ...candles, runs: inView.map(({ run, rows, shown }) => ({ name: run.name, trades: rows.length, shown })) };
  return {
    traces: [candleTrace(candles, market.symbol, c), volumeTrace(candles, c), ...strip.traces, ...marks],
    layout: layoutOf(looked, candles, { levels, range, strip }, c),
  };
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

// Filled marks for the last run, hollow ones for the run beside it.
function markOf(run, runs, c) {
  return { hollow: runs.indexOf(run) < runs.length - 1, color: run.label === "off" ? c.ink : colourOf(run.label, c) };
}

// Entries below the candles and exits above them, so that none is covered; a second run's stand beyond the first's.
function eachTrade(run, rows, lane, candles, looked, c) {
  const { numbers } = run, { hollow, color } = markOf(run, looked.runs, c);
  const trace = (name, moments, paint, text) => {
    const [symbol, side] = SIDES[name];
    const begins = rows.map((at) => candleBegin(moments[at], candles.length));
    return {
      type: "scatter", mode: "markers", name: `${run.name} ${name}`, meta: run.label,
      x: begins, y: begins.map((begin) => besideCandles(begin, side, lane, candles, looked.frame)),
      customdata: rows.map((at) => ({ at })), text: rows.map(text), hovertemplate: "%{text}<extra></extra>",
      marker: { symbol: hollow ? `${symbol}-open` : symbol, size: MARK, color: rows.map(paint), line: { width: hollow ? 1.6 : 0 } },
    };
  };
  return [
    trace("entry", numbers.opened_at, () => color, (at) => entryText(run, at, looked)),
    trace("exit", numbers.closed_at, (at) => (numbers.pnl[at] > 0 ? c.rise : c.fall), (at) => exitText(run, at, looked)),
  ];
}

function entryText({ name, numbers }, at, looked) {
  return `${name}, trade ${at + 1}: entry at ${shownPrice(numbers.entry_price[at], looked)}`;
}

function exitText({ name, numbers, words }, at, looked) {
  const why = shownWords(wordIn(words.exit_reason, at));
  return `${name}, trade ${at + 1}: exit at ${shownPrice(numbers.exit_price[at], looked)}, ${why}, ${shownNumber(numbers.pnl[at], 2)}`;
}

// The price at which a mark clears the candles that it is as wide as.
function besideCandles(begin, side, lane, { time, high, low, range }, frame) {
  const at = countBelow(time, begin), near = Math.ceil((MARK * time.length) / 2 / frame.clientWidth);
  const ends = (side < 0 ? low : high).slice(Math.max(at - near, 0), at + near + 1);
  const pixel = (range[1] - range[0]) / (frame.clientHeight * 0.7);
  const away = pixel * (MARK_GAP + MARK / 2 + lane * (MARK + MARK_GAP));
  return side < 0 ? Math.min(...ends) - away : Math.max(...ends) + away;
}

// ---- the strip below the prices ----

const NO_STRIP = { traces: [], axis: null };

// How many trades began in each candle: upwards the last run's, downwards those of the run beside it.
function entryStrip(looked, shown, candles, c) {
  const counted = shown.map(({ run, rows }) => ({ run, groups: entriesByCandle(run, rows, candles.length) }));
  const most = Math.max(1, ...counted.flatMap(({ groups }) => [...groups.values()].map(({ count }) => count)));
  const down = (run) => counted.length > 1 && run === counted[0].run;
  const traces = counted.map(({ run, groups }) => {
    const begins = [...groups.keys()], sign = down(run) ? -1 : 1;
    return {
      type: "bar", name: `${run.name} entries`, meta: run.label, yaxis: "y3",
      x: begins, y: begins.map((begin) => sign * groups.get(begin).count),
      customdata: begins.map((begin) => groups.get(begin).count > 1 ? { from: begin, to: begin + candles.length } : { at: groups.get(begin).at }),
      text: begins.map((begin) => `${run.name}: ${entriesText(groups.get(begin))}`), textposition: "none",
      hovertemplate: "%{text}<extra></extra>",
      marker: { color: markOf(run, looked.runs, c).color, line: { width: 0 } },
    };
  });
  const ends = counted.length > 1 ? [-most, most] : [0, most];
  return { traces, axis: { range: ends, tickvals: ends, ticktext: ends.map((end) => String(Math.abs(end))), zeroline: counted.length > 1 } };
}

function entriesText({ count, pnl }) {
  return count === 1 ? `1 entry, ${shownNumber(pnl, 2)}` : `${count} entries, ${shownNumber(pnl, 2)} together`;
}

function entriesByCandle({ numbers }, rows, length) {
  const groups = new Map();
  for (const at of rows) {
    const begin = candleBegin(numbers.opened_at[at], length);
    const group = groups.get(begin) ?? { count: 0, pnl: 0, at };
    groups.set(begin, { count: group.count + 1, pnl: group.pnl + numbers.pnl[at], at: group.at });
  }
  return groups;
}

// Candidate bars that were scored and not traded: dots in a line for each run.
function candidateStrip(looked, shown, candles, c) {
  if (!looked.candidates || !candles.single) return NO_STRIP;
  const traces = shown.flatMap(({ run }, lane) => candidateDots(looked, run, lane, c));
  if (traces.length === 0) return NO_STRIP;
  const lanes = shown.map((_, lane) => lane);
  return { traces, axis: { range: [-0.6, lanes.length - 0.4], tickvals: lanes, ticktext: shown.map(({ run }) => run.name), zeroline: false } };
}

function candidateDots({ market, markets, view }, run, lane, c) {
  if (!run.candidates) return [];
  const { numbers, words } = run.candidates, place = markets.indexOf(market), rows = [];
  for (let at = 0; at < numbers.market.length && rows.length <= MOST_CANDIDATES_MARKED; at++) {
    const opened = numbers.decided_at[at] - market.step;
    if (numbers.market[at] === place && opened >= view[0] && opened <= view[1]) rows.push(at);
  }
  if (rows.length === 0 || rows.length > MOST_CANDIDATES_MARKED) return [];
  return [{
    type: "scatter", mode: "markers", name: `${run.name} candidates`, yaxis: "y3",
    x: rows.map((at) => numbers.decided_at[at] - market.step), y: rows.map(() => lane),
    text: rows.map((at) => `${run.name}: score ${shownNumber(numbers.score[at], 1)}, ${shownWords(wordIn(words.outcome, at))}`),
    hovertemplate: "%{text}<extra></extra>",
    marker: { symbol: "circle", size: 5, color: c.muted },
  }];
}

// ---- the chosen trade ----

function layoutOf(looked, candles, { levels, range, strip }, c) {
  const { view, frame } = looked, floor = strip.axis ? 0.29 : 0.2;
  return {
    xaxis: { type: "date", range: view, fixedrange: false, rangeslider: { visible: false }, anchor: "y2" },
    yaxis: { domain: [floor, 1], side: "right", range, tickformat: ",~f", hoverformat: `,.${looked.market.decimals}f` },
    yaxis2: { domain: [0, 0.15], side: "right", nticks: 3, tickformat: "~s", rangemode: "tozero" },
    ...(strip.axis ? { yaxis3: { domain: [0.185, 0.265], side: "right", showgrid: false, tickfont: { size: 10, color: c.muted }, ...strip.axis } } : {}),
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    margin: { l: 8, r: levels.length ? tagRoom(frame) : 8, t: 8, b: 8 },
    legend: { orientation: "h", y: 1.06, yanchor: "bottom", x: 0 },
    hoverdistance: Math.max(1, Math.floor(frame.clientWidth / candles.time.length / 2)), // the marks of one candle
    barmode: "overlay", bargap: 0.15, ...chosenShapes(looked, levels, candles, c),
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
  const margin = (top - bottom || top) * 0.1; // room for marks
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

// Levels go on to the axis of prices and are named there, where no candle is.
function levelLines(looked, levels, span, step, c) {
  const limit = looked.chosen.run.numbers.until?.[looked.chosen.at], known = Number.isFinite(limit);
  const styles = { target: [c.rise, "dash"], entry: [c.ink, "solid"], stop: [c.fall, "dot"] };
  const lines = levels.map(([name, price]) => {
    const [color, dash] = styles[name];
    return { type: "line", x0: span.x0, x1: looked.view[1], y0: price, y1: price, line: { color, dash, width: 1.2 }, layer: "below" };
  });
  const tags = levels.map(([name, price]) => priceTag(name, price, styles[name][0], looked, c));
  if (!known) return { shapes: [span, ...lines], annotations: tags };
  const limitLine = { type: "line", yref: "y domain", x0: limit, x1: limit, y0: 0, y1: 1, line: { color: c.muted, dash: "dashdot", width: 1.2 }, layer: "below" };
  const limitWords = { x: limit, y: 1, yref: "y domain", text: "time limit", showarrow: false, yanchor: "bottom", font: { color: c.muted, size: 12 } };
  return { shapes: [span, ...lines, limitLine], annotations: [...tags, limitWords] };
}

function priceTag(name, price, color, looked, c) {
  const shown = shownPrice(price, looked), text = looked.frame.clientWidth < NARROW ? shown : `${name} ${shown}`;
  return { xref: "paper", x: 1, y: price, text, showarrow: false, xanchor: "left", font: { color: c.panel, size: 11 }, bgcolor: color, borderpad: 1 };
}

function tagRoom({ clientWidth }) {
  return clientWidth < NARROW ? 64 : 112;
}

export function shownPrice(price, { market }) {
  return shownNumber(price, Math.min(market.decimals, 2), market.decimals);
}
