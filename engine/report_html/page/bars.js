// Bars of a market, and candles made of them: the same ones as in engine/report_html/candles.py.

import { unpacked } from "./unpacking.js";

const MINUTE = 60_000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const LENGTHS = [
  ...[1, 2, 3, 5, 10, 15, 20, 30].map((count) => count * MINUTE),
  ...[1, 2, 3, 4, 6, 8, 12].map((count) => count * HOUR),
  ...[1, 2, 4, 8, 16, 32, 64, 128].map((count) => count * DAY),
];

// { symbol, step, fine, coarse, candle, windows }: `coarse` candles where not every bar is kept.
export async function unpackedMarket({ symbol, step, bars, candles, candle, from, to }) {
  const [fine, coarse] = await Promise.all([unpackedBars(bars), candles ? unpackedBars(candles) : null]);
  const windows = candles ? { from: await unpacked(from), to: await unpacked(to) } : null;
  return { symbol, step, fine, coarse, candle, windows, decimals: Math.max(bars.decimals, 0) };
}

export async function unpackedBars({ begin, decimals, ...packed }) {
  const [time, gap, body, up, down, volume] = await Promise.all(
    ["time", "gap", "body", "up", "down", "volume"].map((name) => unpacked(packed[name])),
  );
  const [open, high, low, close] = [0, 1, 2, 3].map(() => new Float64Array(time.length));
  const scale = 10 ** decimals;
  for (let i = 0, at = begin; i < time.length; i++) {
    const first = at + gap[i];
    at = first + body[i];
    open[i] = first / scale;
    close[i] = at / scale;
    high[i] = (Math.max(first, at) + up[i]) / scale;
    low[i] = (Math.min(first, at) - down[i]) / scale;
  }
  return { time, open, high, low, close, volume };
}

// The first and the last moment of a market, in ms.
export function extent({ step, fine, coarse, candle }) {
  const { time } = coarse ?? fine;
  return [time[0], time[time.length - 1] + (coarse ? candle : step)];
}

// At most so many candles that hold every bar from one moment to another.
export function candlesIn(market, from, to, most) {
  const few = market.coarse && candleLength(market.step, to - from, most) >= market.candle; // these lack no bar
  const single = !market.coarse || (!few && kept(market.windows, from, to) >= (to - from) / 2);
  const [bars, step] = single ? [market.fine, market.step] : [market.coarse, market.candle];
  const length = candleLength(step, to - from, most);
  return { ...candlesOf(bars, from, to, length), length, single: length === market.step };
}

// The shortest length, a multiple of the step, that makes at most so many candles of a span.
export function candleLength(step, span, most) {
  const known = LENGTHS.find((length) => length % step === 0 && span / length <= most);
  if (known) return known;
  let length = step;
  while (span / length > most) length *= 2;
  return length;
}

export function candleBegin(moment, length) {
  return Math.floor(moment / length) * length;
}

// How many values of an ascending array are below a value.
export function countBelow(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// How long windows and a span overlap, in ms.
function kept({ from, to }, begin, end) {
  let overlap = 0;
  for (let i = 0; i < from.length; i++) overlap += Math.max(Math.min(to[i], end) - Math.max(from[i], begin), 0);
  return overlap;
}

function candlesOf(bars, from, to, length) {
  const first = countBelow(bars.time, candleBegin(from, length));
  const last = countBelow(bars.time, candleBegin(to - 1, length) + length);
  const made = { time: [], open: [], high: [], low: [], close: [], volume: [] };
  for (let i = first, now = -1, at = -1; i < last; i++) {
    const begin = candleBegin(bars.time[i], length);
    if (begin !== now) {
      now = begin;
      at++;
      for (const name of ["open", "high", "low", "close"]) made[name].push(bars[name][i]);
      made.time.push(begin);
      made.volume.push(bars.volume[i]);
    } else {
      if (bars.high[i] > made.high[at]) made.high[at] = bars.high[i];
      if (bars.low[i] < made.low[at]) made.low[at] = bars.low[i];
      made.close[at] = bars.close[i];
      made.volume[at] += bars.volume[i];
    }
  }
  return { ...made, bars: last - first };
}
