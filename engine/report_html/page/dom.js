// Elements and words of the page.

// An element with attributes and children; text stays text.
export function built(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function shownNumber(value, digits, most = digits) {
  if (!Number.isFinite(value)) return "\u2013";
  const form = { minimumFractionDigits: digits, maximumFractionDigits: most };
  return value.toLocaleString("en-US", form).replace("-", "\u2212");
}

// A number as it is, to so many digits that tell something.
export function shownDigits(value, digits = 6) {
  if (!Number.isFinite(value)) return "\u2013";
  return value.toLocaleString("en-US", { maximumSignificantDigits: digits }).replace("-", "\u2212");
}

export function shownMoment(ms) {
  return Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 16).replace("T", " ") + "Z" : "\u2013";
}

// A length of time as people say it.
export function shownLength(ms) {
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000]];
  const [name, unit] = units.find(([, unit]) => ms % unit === 0) ?? units[2];
  const count = ms / unit;
  return `${shownNumber(count, 0, 1)} ${name}${count === 1 ? "" : "s"}`;
}

// What the code calls take_profit is "take profit" for people.
export function shownWords(name) {
  return name.replaceAll("_", " ");
}
