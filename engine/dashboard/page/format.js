// Numbers and times as people read them. Times are UTC throughout.

const NONE = "–";

function number(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function money(value) {
  return value == null ? NONE : number(value, 2);
}

export function signed(value, digits = 2) {
  if (value == null) return NONE;
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), digits)}`;
}

export function fall(fraction) {
  return fraction > 0 ? percent(-fraction) : "0.00 %";
}

export function percent(fraction) {
  return fraction == null ? NONE : `${signed(fraction * 100)} %`;
}

// A price with the digits that its size makes worth reading.
export function price(value) {
  if (value == null) return NONE;
  const size = Math.abs(value);
  const digits = size >= 1000 ? 2 : size >= 10 ? 3 : size >= 1 ? 4 : 4 - Math.floor(Math.log10(size || 1));
  return number(value, Math.min(digits, 12));
}

export function units(value) {
  return value == null ? NONE : value.toLocaleString("en-US", { maximumSignificantDigits: 6 });
}

export function points(value) {
  return value === 0 ? "0" : `${value < 0 ? "−" : "+"}${Math.abs(value)}`;
}

const two = (value) => String(value).padStart(2, "0");

export function day(ms) {
  const at = new Date(ms);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())}`;
}

export function clock(ms) {
  const at = new Date(ms);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

export function moment(ms) {
  return `${day(ms)} ${clock(ms)}`;
}

export function words(name) {
  return name.replaceAll("_", " ");
}
