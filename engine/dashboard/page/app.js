// The page: asks for a window of the session once, then follows what is new.

import { CandleChart } from "./candles.js";
import { EquityChart } from "./equity.js";
import { Link } from "./link.js";
import * as decisions from "./decisions.js";
import * as panels from "./panels.js";
import { byId, el, fillOr, fill, time } from "./dom.js";
import * as format from "./format.js";

const MOST_BARS = 5000;    // kept by the page; earlier ones can be asked for again
const MOST_POINTS = 3000;  // of equity
const EARLIER = 500;       // bars asked for at once

const COLUMNS = ["time", "open", "high", "low", "close", "volume", "filled"];

let shown = null;          // the window, as /api/session tells it, kept up by moments
let chosen = new URLSearchParams(location.search).get("symbol");
let listed = 12;           // decisions
let asking = 0;            // number of the latest question: a late answer to an earlier one is void
let earlier = { asked: false, none: false };

const chart = new CandleChart(byId("chart"), { wants: () => askEarlier(), reads: readBar });
const equity = new EquityChart(byId("equity"), readEquity);
const link = new Link({ moment: onMoment, health: onHealth, reset: () => ask(), state: onLink });

// --- Asking ---------------------------------------------------------------------------------

function address(name, parameters) {
  return `api/${name}?${new URLSearchParams(parameters)}`;
}

async function get(url, options) {
  const answer = await fetch(url, { cache: "no-store", ...options });
  if (answer.ok) return answer;
  throw Object.assign(new Error((await answer.text()).trim()), { status: answer.status });
}

function scope() {
  const only = byId("only").checked;
  return { ...(chosen ? { symbol: chosen } : {}), ...(only ? { only: "1" } : {}) };
}

// Ask for the whole window anew: at the start, for another symbol, after a long absence.
async function ask() {
  const number = ++asking;
  link.stop();
  try {
    const answer = await (await get(address("session", scope()))).json();
    if (number !== asking) return;
    begin(answer);
  } catch (error) {
    if (number === asking) failed(error);
  }
}

function failed(error) {
  if (error.status === 401) return signIn();
  onLink("lost");
  trouble(error.status ? error.message : null);
  setTimeout((number) => number === asking && ask(), 3000, asking);
}

function trouble(text) {
  byId("trouble").hidden = !text;
  byId("trouble").textContent = text ?? "";
}

async function askEarlier() {
  if (earlier.asked || earlier.none || !shown) return;
  earlier.asked = true;
  const [of, first] = [shown, shown.bars.time[0]];
  try {
    const parameters = { symbol: shown.symbol, before: first, count: EARLIER };
    const answer = await (await get(address("bars", parameters))).json();
    if (of !== shown) return;
    earlier = { asked: false, none: answer.bars.time.length < EARLIER };
    for (const name of COLUMNS) shown.bars[name] = [...answer.bars[name], ...shown.bars[name]];
    shown.trades = merged(answer.trades, shown.trades, (trade) => `${trade.entry_time}`);
    shown.marks = merged(answer.marks, shown.marks, (mark) => `${mark.time}`);
    drawMarket();
  } catch {
    earlier.asked = false; // asked again with the next movement
  }
}

// --- What comes -----------------------------------------------------------------------------

function begin(answer) {
  trouble(null);
  shown = answer;
  chosen = answer.symbol;
  earlier = { asked: false, none: false };
  chart.reset();
  const place = new URL(location.href);
  place.searchParams.set("symbol", chosen);
  history.replaceState(null, "", place);
  header();
  drawAll();
  link.follow(address("events", scope()), answer.id);
}

function onMoment(news) {
  if (news.symbol !== shown.symbol) return;
  append(shown.bars, news.bars, COLUMNS, MOST_BARS);
  append(shown.equity, news.equity, ["time", "value"], MOST_POINTS);
  shown.decisions = merged(shown.decisions, news.decisions, decisions.keyOf).slice(-shown.session.most_decisions);
  shown.marks = merged(shown.marks, news.marks, (mark) => `${mark.time}`);
  const before = shown.trades;
  shown.trades = merged(shown.trades, news.trades, (trade) => `${trade.entry_time}`);
  for (const name of ["account", "positions", "orders", "last_trades", "events", "id"]) shown[name] = news[name];
  say(before, shown.trades);
  drawAll();
}

function onHealth(news) {
  if (!shown) return;
  Object.assign(shown, news);
  drawHealth();
}

// Rows that are newer than those there are; the oldest go when there are too many.
function append(table, news, names, most) {
  const last = table.time.at(-1) ?? -Infinity;
  const fresh = news.time.findIndex((time) => time > last);
  if (fresh < 0) return;
  for (const name of names) {
    table[name].push(...news[name].slice(fresh));
    if (table[name].length > most) table[name].splice(0, table[name].length - most);
  }
}

// Both lists in order; of two items with a key the later one holds.
function merged(older, newer, key) {
  const all = new Map(older.map((item) => [key(item), item]));
  for (const item of newer) all.set(key(item), item);
  return [...all.values()];
}

function say(before, after) {
  const had = new Map(before.map((trade) => [trade.entry_time, trade]));
  for (const trade of after) {
    const was = had.get(trade.entry_time);
    if (!was) speak(`${shown.symbol}: entered at ${format.price(trade.entry_price)}`);
    else if (was.exit_time == null && trade.exit_time != null)
      speak(`${shown.symbol}: left at ${format.price(trade.exit_price)}, ${format.words(trade.reason)}, ${format.signed(trade.pnl)}`);
  }
}

function speak(text) {
  byId("spoken").textContent = text;
}

function onLink(state) {
  const [tone, text] = {
    live: ["good", "live"],
    lost: ["bad", "not connected, trying again"],
    locked: ["wait", "asks for the token"],
  }[state];
  byId("link").dataset.tone = tone;
  if (byId("link-text").textContent !== text) byId("link-text").textContent = text;
}

// --- Drawing --------------------------------------------------------------------------------

function header() {
  const { session, symbol } = shown;
  byId("where").textContent = `${session.place} · ${session.timeframe}`;
  document.title = `${symbol}, Tandem ${session.files ? "rehearsal" : "paper session"}`;
  byId("stamps").replaceChildren(...session.stamps.map((stamp) => el("strong.stamp", {}, stamp)));
  fill(byId("symbol"), session.symbols, (name) => name, (name) => el("option", { value: name }, name));
  byId("symbol").value = symbol;
  byId("only-symbol").textContent = symbol;
  byId("chart").setAttribute("aria-label", `Candles of ${symbol}, ${session.timeframe}`);
}

function drawAll() {
  panels.account(shown.account);
  panels.positions(shown.positions, choose);
  panels.orders(shown.orders, choose);
  panels.trades(shown.last_trades, choose);
  panels.events(shown.events);
  drawDecisions();
  equity.show({ ...shown.equity, start: shown.account.start });
  drawMarket();
  drawHealth();
}

function drawDecisions() {
  const latest = shown.decisions.toReversed();
  byId("tally").textContent = decisions.tally(latest);
  fillOr(byId("decisions"), latest.slice(0, listed), decisions.keyOf, decisions.decision, "No candidate bar so far: the mandatory filter has not held.");
  byId("more").hidden = latest.length <= listed;
  byId("more").textContent = `Show all ${latest.length}`;
}

function drawMarket() {
  const orders = shown.orders.filter((order) => order.symbol === shown.symbol);
  chart.show({ bars: shown.bars, trades: shown.trades, marks: shown.marks, orders, barMs: shown.session.bar_ms });
  const { close, open } = shown.bars;
  const change = close.at(-1) / open[0] - 1;
  byId("last").replaceChildren(
    el("strong", {}, format.price(close.at(-1))), " ",
    el("span", { "data-tone": change < 0 ? "fall" : "rise" }, `${format.percent(change)} in ${close.length} bars`));
}

function drawHealth() {
  panels.health(shown.health);
  panels.markets(shown.markets, shown.symbol, choose);
  byId("watching").textContent = shown.markets.find((market) => market.symbol === shown.symbol)?.text ?? "";
}

function readBar(bar, spoken) {
  if (!bar) return;
  const names = [["O", bar.open], ["H", bar.high], ["L", bar.low], ["C", bar.close]];
  const told = [
    ...bar.entries.map((trade) => `entry ${format.price(trade.entry_price)}`),
    ...bar.exits.map((trade) => `${format.words(trade.reason)} ${format.price(trade.exit_price)}`),
    ...bar.decisions.map((mark) => `score ${mark.score}: ${format.words(mark.outcome)}`),
    ...(bar.filled ? ["filled: nobody traded"] : []),
  ];
  byId("bar").replaceChildren(
    time(bar.time, format.moment(bar.time)),
    ...names.map(([name, value]) => el("span", {}, el("abbr", {}, name), ` ${format.price(value)}`)),
    el("span", {}, el("abbr", {}, "V"), ` ${format.units(bar.volume)}`),
    ...told.map((text) => el("em", {}, text)));
  if (spoken) speak(`${format.moment(bar.time)}: close ${format.price(bar.close)}, low ${format.price(bar.low)}, high ${format.price(bar.high)}${told.map((text) => `; ${text}`).join("")}`);
}

function readEquity(point, spoken) {
  if (!point) return byId("equity-readout").replaceChildren("no moment so far");
  const gain = point.value / point.start - 1;
  byId("equity-readout").replaceChildren(
    time(point.time, format.moment(point.time)), el("span", {}, format.money(point.value)),
    el("span", { "data-tone": gain < 0 ? "fall" : "rise" }, format.percent(gain)));
  if (spoken) speak(`${format.moment(point.time)}: equity ${format.money(point.value)}, ${format.percent(gain)}`);
}

// --- Choosing -------------------------------------------------------------------------------

function choose(symbol) {
  chosen = symbol;
  byId("symbol").value = symbol;
  ask();
}

byId("symbol").addEventListener("change", (event) => choose(event.target.value));
byId("more").addEventListener("click", () => {
  listed = Infinity;
  drawDecisions();
  byId("decisions").children[12]?.querySelector("summary").focus();
});
byId("only").addEventListener("change", () => ask());
for (const [id, act] of [
  ["back", () => chart.pan(-30)], ["forth", () => chart.pan(30)],
  ["out", () => chart.zoom(1.5)], ["in", () => chart.zoom(1 / 1.5)], ["latest", () => chart.latest()],
]) byId(id).addEventListener("click", act);

// --- The token ------------------------------------------------------------------------------

// It is changed for a cookie that this page cannot read, and kept nowhere else.
async function present(token) {
  await get("api/sign-in", { headers: { Authorization: `Bearer ${token}` } });
}

function signIn() {
  onLink("locked");
  if (!byId("sign-in").open) byId("sign-in").showModal();
}

byId("sign-in").querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await present(byId("token").value);
    byId("token").value = "";
    byId("sign-in").close();
    ask();
  } catch (error) {
    byId("sign-in-error").textContent = error.status === 401 ? "That is not the token." : "Nobody answers.";
  }
});

// A link may bring the token behind its #, which no browser sends and no log sees. It goes at once.
async function start() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname + location.search);
    await present(token).catch(() => {}); // then it is asked for
  }
  await ask();
}

start();
