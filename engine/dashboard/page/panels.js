// The panels beside the charts.

import { byId, el, fact, fill, fillOr, time } from "./dom.js";
import * as format from "./format.js";

const MODELS = { bar: "priced by the bar", trade: "priced by a trade", offline: "offline: priced by the bar, nobody watched" };

const toneOf = (value) => (value > 0 ? "rise" : value < 0 ? "fall" : null);

export function account(of) {
  const gain = of.equity - of.start;
  const facts = [
    ["Equity", format.money(of.equity), null, `${format.signed(gain)} (${format.percent(gain / of.start)})`, toneOf(gain)],
    ["Cash", format.money(of.cash), null, `${format.money(of.position_value)} in positions`],
    ["Trades", String(of.trades), null, of.trades ? `${of.won} won · ${format.signed(of.pnl)} net` : "none has ended", toneOf(of.pnl)],
    ["Drawdown", format.fall(of.drawdown), null, `deepest ${format.fall(of.deepest)}`],
    ["ML", ...ml(of.ml)],
  ];
  fill(byId("account"), facts, ([name]) => name, ([name, value, tone, note, noteTone, title]) =>
    el("div", { "data-tone": tone }, el("dt", {}, name), el("dd", {}, value),
      el("dd.note", { "data-tone": noteTone, title }, note)));
}

// Nobody knows before the first bar; "off" was wished for, any other word was not.
function ml(of) {
  if (of === null) return ["–", "quiet", "no bar so far"];
  if (of.on) return ["on", "accent", of.text, null, of.digest];
  return of.text === "off" ? ["off", "quiet", "nobody is asked"] : ["off", "warn", of.text];
}

export function positions(items, choose) {
  fillOr(byId("positions"), items, (item) => item.symbol, (item) =>
    el("li.card", {},
      el("header", {}, symbolButton(item.symbol, choose), el("strong", { "data-tone": toneOf(item.pnl) }, `${format.signed(item.pnl)} (${format.percent(item.return)})`)),
      el("dl.pairs", {},
        fact("units", format.units(item.units)), fact("entry", format.price(item.entry_price)),
        fact("now", format.price(item.price)), fact("since", time(item.entry_time, format.clock(item.entry_time))),
        fact("target", format.price(item.target)), fact("stop", format.price(item.stop))),
      el("p.note", {}, note(item.model, item.ml_on))), "Nothing is held.");
}

const note = (model, ml) => [MODELS[model] ?? format.words(model), ml === false ? "entered without ML" : null].filter(Boolean).join(" · ");

export function orders(items, choose) {
  fillOr(byId("orders"), items, (item) => item.id, (item) =>
    el("li.card", {},
      el("header", {}, symbolButton(item.symbol, choose), el("strong", {}, `${item.units < 0 ? "sell" : "buy"} ${format.units(Math.abs(item.units))}`)),
      el("p.note", {}, `${format.words(item.reason)} · ${item.kind}${item.price == null ? "" : ` at ${format.price(item.price)}`}${item.status === "asleep" ? " · sleeps until the entry" : ""}`)),
    "No order waits.");
}

export function trades(items, choose) {
  fillOr(byId("trades"), items, (item) => `${item.symbol} ${item.entry_time}`, (item) =>
    el("li.card", {},
      el("header", {}, symbolButton(item.symbol, choose), el("strong", { "data-tone": toneOf(item.pnl) }, `${format.signed(item.pnl)} (${format.percent(item.return)})`)),
      el("p.note", {}, time(item.entry_time, format.moment(item.entry_time)), ` in at ${format.price(item.entry_price)}, `,
        time(item.exit_time, format.clock(item.exit_time)), ` out at ${format.price(item.exit_price)}: ${format.words(item.reason)}`),
      el("p.note", {}, MODELS[item.exit_model] ?? "")), "No trade has ended.");
}

function symbolButton(symbol, choose) {
  return el("button.symbol", { type: "button", title: "Show in the chart", onclick: () => choose(symbol) }, symbol);
}

export function health(items) {
  fill(byId("health"), items, (item) => item.name, (item) => fact(item.name, item.value, item.tone));
}

export function events(items) {
  fillOr(byId("events"), items, (item) => `${item.at} ${item.kind} ${item.text}`, (item) =>
    el("li", { "data-kind": item.kind }, time(item.at, format.moment(item.at)), el("strong", {}, format.words(item.kind)), el("span", {}, item.text)), "Nothing so far.");
}

export function markets(items, chosen, choose) {
  fill(byId("markets"), items.map((item) => ({ ...item, chosen: item.symbol === chosen })), (item) => item.symbol, (item) =>
    el("li", { "aria-current": item.chosen ? "true" : null },
      symbolButton(item.symbol, choose), el("span.price", {}, format.price(item.price)),
      el("span.state", {}, item.text)));
}
