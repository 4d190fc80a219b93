// Price and trades: what is looked at, by pointer, keys, buttons and other sections.

import { extent, unpackedMarket } from "./bars.js";
import { chart, redraw } from "./charts.js";
import { shownLength, shownMoment, shownNumber } from "./dom.js";
import { priceFigure } from "./price_figure.js";
import { showTradePanel } from "./price_trade.js";
import { tradedRuns, unpackedColumns } from "./trades_data.js";

const SPANS = { day: 86_400_000, week: 7 * 86_400_000, month: 30 * 86_400_000 };
const LEAST_BARS = 12; // nobody needs to see fewer
let looked = null; // what the section looks at, once it is drawn

export async function drawPrice(section, data) {
  const traded = await tradedRuns();
  const runs = await Promise.all(data.runs.map((run, at) => pricedRun(run, traded.runs[at], traded.symbols, data.markets)));
  looked = {
    section, runs, data, around: data.around,
    markets: data.markets.map(() => null),
    frame: section.querySelector("#price-chart"),
    shown: new Set([runs.at(-1).label]), // the run that the verdict is about
    candidates: true, chosen: null, market: null, view: null,
  };
  await lookAt(0);
  await chart(looked.frame, (c) => priceFigure(looked, c), { doubleClick: false });
  listen();
  tell();
  showTradePanel(looked);
  addEventListener("hashchange", followHash);
  await followHash();
}

// A run's trades with what the prices need besides: candidates, and the places of their markets.
async function pricedRun({ needed, candidates }, run, symbols, markets) {
  const places = symbols.map((symbol) => markets.findIndex((market) => market.symbol === symbol));
  const numbers = { ...run.numbers, market: run.numbers.symbol.map((code) => places[code]) };
  return { ...run, numbers, needed, candidates: candidates && (await unpackedColumns(candidates)) };
}

// Show a trade of a run: its number is its row in the run's trades.csv, from 1.
export async function showTrade(label, number) {
  const run = looked?.runs.find((each) => each.label === label);
  if (!run || !(number >= 1 && number <= run.length)) return false;
  const at = number - 1;
  const { market, decided_at, closed_at } = run.numbers;
  looked.shown.add(label);
  looked.chosen = { run, at };
  await lookAt(market[at]);
  const { before, after } = looked.around, { step } = looked.market;
  look(decided_at[at] - before * step, closed_at[at] + (after + 1) * step);
  showTradePanel(looked);
  return true;
}

async function followHash() {
  const [, label, number] = /^#trade=([\w-]+)-(\d+)$/.exec(location.hash) ?? [];
  if (!label || !(await showTrade(label, Number(number)))) return;
  looked.section.scrollIntoView();
}

async function lookAt(place) {
  const { markets, data, section } = looked;
  markets[place] ??= await unpackedMarket(data.markets[place]);
  if (looked.market === markets[place]) return;
  looked.market = markets[place];
  looked.view = extent(looked.market);
  const select = section.querySelector("#price-market");
  if (select) select.value = place;
}

// Look from one moment to another, within what there is.
function look(from, to) {
  const [first, last] = extent(looked.market);
  const least = LEAST_BARS * looked.market.step;
  const length = Math.min(Math.max(to - from, least), last - first);
  const begin = Math.min(Math.max((from + to - length) / 2, first), last - length);
  looked.view = [begin, begin + length];
  redraw(looked.frame);
  tell();
}

// Go to the trade before or after the one that is shown, or after where one looks.
function step(direction) {
  const there = tradesHere();
  const { chosen, view } = looked;
  const at = there.findIndex(({ run, at }) => run === chosen?.run && at === chosen.at);
  const next = at >= 0
    ? there[at + direction]
    : direction > 0
      ? there.find(({ opened }) => opened >= view[0])
      : there.findLast(({ opened }) => opened < view[1]);
  if (next) showTrade(next.run.label, next.at + 1);
}

// The trades of the runs that are shown, in this market, as they were opened.
function tradesHere() {
  const place = looked.markets.indexOf(looked.market);
  return looked.runs
    .filter(({ label }) => looked.shown.has(label))
    .flatMap((run) => Array.from(run.numbers.opened_at, (opened, at) => ({ run, at, opened })))
    .filter(({ run, at }) => run.numbers.market[at] === place)
    .sort((a, b) => a.opened - b.opened);
}

function spanOf(name) {
  const [from, to] = looked.view, middle = centre();
  if (name === "all") look(...extent(looked.market));
  else if (name === "earlier") look(from - (to - from) / 2, to - (to - from) / 2);
  else if (name === "later") look(from + (to - from) / 2, to + (to - from) / 2);
  else if (name === "closer") look(middle - (to - from) / 4, middle + (to - from) / 4);
  else if (name === "farther") look(from - (to - from) / 2, to + (to - from) / 2);
  else look(middle - SPANS[name] / 2, middle + SPANS[name] / 2);
}

// What stays in the middle: the trade that is shown, if one sees it.
function centre() {
  const [from, to] = looked.view;
  const opened = looked.chosen?.run.numbers.opened_at[looked.chosen.at];
  return opened >= from && opened <= to ? opened : (from + to) / 2;
}

function letGo() {
  looked.chosen = null;
  showTradePanel(looked);
  redraw(looked.frame);
}

const KEYS = {
  n: () => step(1), p: () => step(-1), a: () => spanOf("all"), Escape: () => letGo(),
  ArrowLeft: () => spanOf("earlier"), ArrowRight: () => spanOf("later"),
  "+": () => spanOf("closer"), "=": () => spanOf("closer"), "-": () => spanOf("farther"),
};

function listen() {
  const { section, frame } = looked;
  frame.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  frame.on("plotly_relayout", (change) => {
    const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
    if (from !== undefined && to !== undefined) look(momentOf(from), momentOf(to));
  });
  frame.on("plotly_doubleclick", () => spanOf("all"));
  frame.on("plotly_click", ({ points }) => {
    const hit = points.find(({ data }) => data.meta);
    if (hit) openMarker(hit.data.meta, hit.customdata);
  });
  section.querySelector("#price-market")?.addEventListener("change", async ({ target }) => {
    looked.chosen = null;
    await lookAt(Number(target.value));
    showTradePanel(looked);
    look(...looked.view);
  });
  for (const button of section.querySelectorAll("[data-span]"))
    button.addEventListener("click", () => spanOf(button.dataset.span));
  for (const button of section.querySelectorAll("[data-step]"))
    button.addEventListener("click", () => step(Number(button.dataset.step)));
  for (const button of section.querySelectorAll("[data-shows]"))
    button.addEventListener("click", () => toggle(button));
}

// A marker is one trade, or stands for those of a candle.
function openMarker(label, { at, from, to }) {
  if (at === undefined) look(from, to);
  else showTrade(label, at + 1);
}

function toggle(button) {
  const pressed = button.getAttribute("aria-pressed") !== "true", { shows } = button.dataset;
  button.setAttribute("aria-pressed", pressed);
  if (shows === "candidates") looked.candidates = pressed;
  else looked.shown[pressed ? "add" : "delete"](shows);
  redraw(looked.frame);
  tell();
}

// Plotly's "2024-01-01 12:30" is UTC here.
function momentOf(text) {
  if (typeof text === "number") return text;
  return Date.parse(text.length > 10 ? `${text.replace(" ", "T")}Z` : text);
}

// Say in words what is seen.
function tell() {
  const { section, market, view, seen } = looked, all = extent(market);
  const span = view[1] - view[0];
  const whole = span >= all[1] - all[0];
  for (const button of section.querySelectorAll("[data-span][aria-pressed]")) {
    const { span: name } = button.dataset;
    button.setAttribute("aria-pressed", name === "all" ? whole : !whole && span === SPANS[name]);
  }
  for (const button of section.querySelectorAll("[data-shows]"))
    if (button.dataset.shows !== "candidates")
      button.setAttribute("aria-pressed", looked.shown.has(button.dataset.shows));
  const candles = seen.single ? "each candle is one bar" : `each candle is ${shownLength(seen.length)}`;
  section.querySelector("#price-seen").textContent =
    `${market.symbol}, ${shownMoment(view[0])} to ${shownMoment(view[1])}: ${shownNumber(seen.bars, 0)} bars, ${candles}; ${tradesText(seen.runs)}.`;
}

// Of each run for itself: what two runs did at one bar are two trades of different accounts.
function tradesText(runs) {
  const counted = ({ trades }) => `${shownNumber(trades, 0)} trade${trades === 1 ? "" : "s"}`;
  if (runs.length === 1) return counted(runs[0]);
  return runs.map((run) => `${run.name} ${counted(run)}${run.shown ? "" : " (not shown)"}`).join(", ");
}
