// What is known of one trade: what it came to, what its score was made of, how each member voted.

import { built, shownDigits, shownMoment, shownNumber, shownWords } from "./dom.js";
import { shownPrice } from "./price_figure.js";
import { wordIn } from "./trades_data.js";

// Columns of the journal that have a place of their own, so that they are no values which a rule looked at.
const PLACED = /^(score|technical_points|ml_points|points_.*|vote_.*|threshold_.*|probability|market|symbol|reason|group|place|return|worst|best|.*_at|bars_held|units|entry_price|exit_price|fees|pnl|stop|target|until|longest|missing_units|atr_fraction)$/;
const PLACED_WORDS = new Set(["exit_reason", "ml", "ml_reason", "signal", "confidence", "shortfall", "veto", "rejection"]);

export function showTradePanel(looked) {
  const panel = looked.section.querySelector("#price-trade"), { chosen } = looked;
  panel.classList.toggle("chosen", Boolean(chosen));
  if (!chosen) {
    panel.replaceChildren(built("p", { class: "note" }, panel.dataset.nothing));
    return;
  }
  const trade = rowOf(chosen);
  panel.replaceChildren(heading(trade, looked), ...others(trade, looked), built("div", { class: "trade-parts" }, facts(trade, looked), score(trade), opinion(trade)));
}

// One row of all columns.
function rowOf({ run, at }) {
  const numbers = Object.fromEntries(Object.entries(run.numbers).map(([name, column]) => [name, column[at]]));
  const words = Object.fromEntries(Object.entries(run.words).map(([name, column]) => [name, wordIn(column, at)]));
  return { run, at, numbers, words };
}

function heading({ run, at, numbers }, looked) {
  const { market } = looked, won = numbers.pnl > 0;
  const came = `${won ? "won" : "lost"} ${shownNumber(Math.abs(numbers.pnl), 2)} ${quoteOf(looked)} (${shareText(numbers.return)})`;
  return built("h3", {}, `${run.name}, trade ${shownNumber(at + 1, 0)} of ${shownNumber(run.length, 0)}: ${market.symbol} `, built("span", { class: won ? "rise" : "fall" }, came));
}

// What the runs beside it did at the same bar.
function others({ run, at, numbers }, { runs }) {
  const before = rowsAt(run, numbers).indexOf(at); // a plain strategy may enter several times at a bar
  return runs.filter((each) => each !== run).flatMap((other) => {
    const twins = rowsAt(other, numbers), twin = twins[before] ?? -1;
    if (twin >= 0) {
      const link = built("a", { href: `#trade=${other.label}-${twin + 1}` }, `its trade ${twin + 1}`);
      return [built("p", { class: "note" }, `${other.name} entered here too: `, link, ".")];
    }
    if (twins.length) return [built("p", { class: "note" }, `${other.name} entered here too, but fewer times.`)];
    const [scored = -1] = other.candidates ? rowsAt(other.candidates, numbers) : [];
    const why = scored >= 0
      ? `score ${shownNumber(other.candidates.numbers.score[scored], 1)}, ${shownWords(wordIn(other.candidates.words.outcome, scored))}`
      : "";
    return [built("p", { class: "note" }, `${other.name} did not enter here${why && `: ${why}`}.`)];
  });
}

// The rows that were decided at the same bar, in their order.
function rowsAt({ numbers }, { market, decided_at: moment }) {
  const rows = [];
  numbers.decided_at.forEach((each, at) => each === moment && numbers.market[at] === market && rows.push(at));
  return rows;
}

function facts({ numbers, words }, looked) {
  const price = (value) => shownPrice(value, looked), quote = quoteOf(looked);
  const away = (level) => `${price(level)} (${shareText(level / numbers.entry_price - 1)})`;
  const [first, last] = numbers.units > 0 ? ["Bought", "Sold"] : ["Sold short", "Bought back"];
  const lines = [
    ["Decided", shownMoment(numbers.decided_at)],
    [first, `${price(numbers.entry_price)}, ${shownMoment(numbers.opened_at)}`],
    [last, `${price(numbers.exit_price)}, ${shownMoment(numbers.closed_at)}`],
    ["Why", shownWords(words.exit_reason)],
    ["Held", `${shownNumber(numbers.bars_held, 0)} bar${numbers.bars_held === 1 ? "" : "s"}`],
    ["Target", numbers.target && away(numbers.target)],
    ["Stop", numbers.stop && away(numbers.stop)],
    ["Time limit", numbers.until && shownMoment(numbers.until)],
    ["ATR", Number.isFinite(numbers.atr_fraction) && `${shareText(numbers.atr_fraction)} of the price`],
    ["Units", shownDigits(numbers.units, 8)],
    ["Put in", `${shownNumber(Math.abs(numbers.units) * numbers.entry_price, 2)} ${quote}`],
    ["Fees", `${shownNumber(numbers.fees, 2)} ${quote}`],
    ["Net", `${shownNumber(numbers.pnl, 2)} ${quote} (${shareText(numbers.return)})`],
  ];
  return part("What it came to", listOf(lines.filter(([, text]) => text && !/^[\u2013 ]/.test(text))));
}

function quoteOf({ market }) {
  return market.symbol.split("/")[1] ?? "";
}

function score({ run, numbers, words }) {
  const rules = named(numbers, "points_");
  if (rules.length === 0 || !Number.isFinite(numbers.score))
    return part("What spoke for it", built("p", { class: "note" }, "This strategy keeps no score."));
  const rows = rules.map(([rule, points]) => [shownWords(rule), looksAt(rule, numbers, words), shownNumber(points, 1)]);
  const table = tableOf(["Rule", "Looked at", "Points"], [
    ...rows,
    ["rules together", "", shownNumber(numbers.technical_points, 1)],
    ["ML", saidByMl(words), shownNumber(numbers.ml_points, 1)],
    ["score", run.needed == null ? "" : `needs \u2265 ${shownNumber(run.needed, 1)}, reached`, shownNumber(numbers.score, 1)],
  ]);
  table.classList.add("score");
  return part("What spoke for it", table);
}

function opinion({ numbers, words }) {
  const votes = named(numbers, "vote_").filter(([, vote]) => Number.isFinite(vote));
  if (votes.length === 0) return part("How the ensemble voted", built("p", { class: "note" }, notAsked(words)));
  const said = `Probability ${shownNumber(numbers.probability, 3)}: ${words.signal}, confidence ${shownWords(words.confidence).toLowerCase()}.`;
  const table = tableOf(["Member", "Vote", ""], votes.map(([member, vote]) => [shownWords(member), shownNumber(vote, 3), voteBar(vote)]));
  table.classList.add("votes");
  const left = words.ml_reason ? [built("p", { class: "note" }, `Left out: ${words.ml_reason}`)] : [];
  return part("How the ensemble voted", built("p", {}, said), table, ...left);
}

function notAsked({ ml, ml_reason: reason }) {
  if (ml === "unavailable") return `It was asked and had no answer: ${reason}`;
  return ml === "not_asked" ? "It was not asked." : "Nothing is known of a vote.";
}

function saidByMl({ ml, signal }) {
  return ml === "answered" ? shownWords(signal) : shownWords(ml ?? "");
}

// From 0 to 1, beginning at one half: to the right is for the trade.
function voteBar(vote) {
  const bar = built("span", { class: vote >= 0.5 ? "vote for" : "vote against", "aria-hidden": "true" });
  bar.style.setProperty("--from", `${100 * Math.min(vote, 0.5)}%`);
  bar.style.setProperty("--wide", `${100 * Math.abs(vote - 0.5)}%`);
  return bar;
}

// The columns whose names begin with the rule's: `rsi`, `volume_ratio`, `found_dip`.
function looksAt(rule, numbers, words) {
  const begins = (name) => name === rule || name.startsWith(`${rule}_`) || name === `found_${rule}`;
  const found = [
    ...Object.entries(words).filter(([name, word]) => begins(name) && word && !PLACED_WORDS.has(name)),
    ...Object.entries(numbers)
      .filter(([name, value]) => begins(name) && Number.isFinite(value) && !PLACED.test(name))
      .map(([name, value]) => [name, shownDigits(value, Math.abs(value) < 1000 ? 4 : 6)]),
  ];
  const short = (name) => shownWords(name.replace(/^found_/, "").slice(rule.length + 1));
  if (found.length === 0 && Object.keys(words).some(begins)) return "none";
  return found.map(([name, text]) => `${short(name)} ${shownWords(text)}`.trim()).join(", ");
}

// Columns with a prefix, without it.
function named(numbers, prefix) {
  return Object.entries(numbers)
    .filter(([name]) => name.startsWith(prefix))
    .map(([name, value]) => [name.slice(prefix.length), value]);
}

function shareText(fraction) {
  return Number.isFinite(fraction) ? `${shownNumber(100 * fraction, 2)}\u00a0%` : "\u2013";
}

function part(title, ...content) {
  return built("div", {}, built("h4", {}, title), ...content);
}

function listOf(lines) {
  return built("dl", {}, ...lines.flatMap(([name, text]) => [built("dt", {}, name), built("dd", {}, text)]));
}

function tableOf(titles, rows) {
  const head = built("tr", {}, ...titles.map((title) => built("th", { scope: "col" }, title)));
  const body = rows.map(([first, ...rest]) => built("tr", {}, built("th", { scope: "row" }, first), ...rest.map((each) => built("td", {}, each))));
  return built("table", {}, built("thead", {}, head), built("tbody", {}, ...body));
}
