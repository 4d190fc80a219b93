// From values to pixels, and the round numbers between.

export function linear(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

// Round values within a range, about so many.
export function ticks(low, high, count) {
  const span = high - low;
  if (!(span > 0)) return { step: 0, values: [low] };
  const rough = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const values = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) values.push(i * step);
  return { step, values };
}

// Digits behind the point that tell one tick from the next.
export function digits(step) {
  if (!(step > 0)) return 2;
  const needed = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Math.min(12, Number(step.toFixed(needed)) === Number(step.toPrecision(8)) ? needed : needed + 1);
}

const MINUTE = 60_000;
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 10080, 20160, 43200]
  .map((minutes) => minutes * MINUTE);

// A step of time that gives at most so many labels.
export function timeStep(span, most) {
  return STEPS.find((step) => span / step <= most) ?? STEPS.at(-1) * Math.ceil(span / most / STEPS.at(-1));
}

export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// Position of the first value that is not below.
export function firstFrom(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
