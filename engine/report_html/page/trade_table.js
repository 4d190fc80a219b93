// A table of one run's trades: sorted by any column, filtered, page by page, saved as CSV.

import { csvLine, pythonText, saveText } from "./csv.js";

const ROWS_A_PAGE = 25;
const MINUS_SIGN = "\u2212";
const wholeText = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const moneyText = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const priceText = new Intl.NumberFormat("en", { minimumSignificantDigits: 7, maximumSignificantDigits: 7 });
const unitsText = new Intl.NumberFormat("en", { minimumSignificantDigits: 6, maximumSignificantDigits: 6 });
const withMinus = (text) => text.replace("-", MINUS_SIGN);
const percentOf = (digits) => (value) => `${withMinus((100 * value).toFixed(digits))}\u00a0%`;
const minuteText = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
const secondText = (ms) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

export function tradeTable(frame, runs, { name: page, symbols, reasons, groups }) {
  const spoken = (names) => (code) => (names[code] ?? "").replaceAll("_", " ");
  const writes = {
    place: (place) => wholeText.format(place + 1),
    opened_at: minuteText,
    symbol: (code) => symbols[code],
    reason: spoken(reasons),
    group: spoken(groups),
    return: percentOf(3),
    worst: percentOf(2),
    best: percentOf(2),
    pnl: (value) => withMinus(moneyText.format(value)),
    fees: (value) => withMinus(moneyText.format(value)),
    units: (value) => withMinus(unitsText.format(value)),
    entry_price: (value) => priceText.format(value),
    exit_price: (value) => priceText.format(value),
    bars_held: (value) => wholeText.format(value),
    score: (value) => withMinus(String(Number(value.toFixed(2)))),
    probability: (value) => value.toFixed(3),
  };
  const heads = [...frame.querySelectorAll("[data-column]")];
  const body = frame.querySelector("tbody");
  const fields = [...frame.querySelectorAll("[data-filter]")];
  const turns = Object.fromEntries([...frame.querySelectorAll("[data-turn]")].map((button) => [button.dataset.turn, button]));
  const texts = new Map(); // of a run: what each of its trades may be found by
  const state = { run: runs[0], column: "place", down: false, page: 0, rows: [] };

  function textsOf(run) {
    if (!texts.has(run)) {
      const { symbol, reason, opened_at, group } = run.numbers;
      const found = (i) => `${i + 1} ${symbols[symbol[i]]} ${spoken(reasons)(reason[i])} ${reasons[reason[i]]} ${minuteText(opened_at[i])} ${group ? spoken(groups)(group[i]) : ""}`;
      texts.set(run, Array.from(symbol, (_, i) => found(i).toLowerCase()));
    }
    return texts.get(run);
  }

  function wanted() {
    const { numbers } = state.run;
    const tests = [];
    for (const field of fields) {
      const { value, dataset } = field;
      if (value.trim() === "") continue;
      if (dataset.filter === "text") {
        const words = value.toLowerCase().split(/\s+/).filter(Boolean);
        const told = textsOf(state.run);
        tests.push((i) => words.every((word) => told[i].includes(word)));
      } else if (dataset.filter === "result") tests.push((i) => numbers.pnl[i] > 0 === (value === "won"));
      else tests.push((i) => numbers[dataset.filter][i] === Number(value));
    }
    return (i) => tests.every((test) => test(i));
  }

  // What a column is sorted by; names by the alphabet, in which their codes are.
  function sorted(rows) {
    const values = state.run.numbers[state.column] ?? state.run.numbers.place;
    const sign = state.down ? -1 : 1;
    const last = (i) => Number.isNaN(values[i]); // whichever way
    return rows.sort((a, b) => last(a) - last(b) || (last(a) ? 0 : sign * (values[a] - values[b])) || a - b);
  }

  function renew() {
    const fits = wanted();
    const rows = [];
    for (let i = 0; i < state.run.length; i++) if (fits(i)) rows.push(i);
    state.rows = sorted(rows);
    state.page = 0;
    frame.querySelector("[data-summary]").textContent = summary();
    for (const head of heads) {
      if (head.dataset.column === state.column) head.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    fill();
  }

  function summary() {
    const { run, rows } = state;
    const shown = `${run.name}: ${wholeText.format(rows.length)} of ${wholeText.format(run.length)} trades`;
    if (!rows.length) return `${shown}.`;
    const { pnl, fees, return: returns } = run.numbers;
    const sum = (values) => rows.reduce((total, i) => total + values[i], 0);
    const won = rows.filter((i) => pnl[i] > 0).length;
    return (
      `${shown}; win rate ${percentOf(1)(won / rows.length)}, expectancy ${percentOf(3)(sum(returns) / rows.length)}, ` +
      `net profit ${writes.pnl(sum(pnl))}, fees ${writes.fees(sum(fees))}.`
    );
  }

  function fill() {
    const pages = Math.max(1, Math.ceil(state.rows.length / ROWS_A_PAGE));
    const rows = state.rows.slice(state.page * ROWS_A_PAGE, (state.page + 1) * ROWS_A_PAGE);
    body.replaceChildren(...rows.map(rowOf));
    frame.querySelector("[data-page]").textContent = `Page ${wholeText.format(state.page + 1)} of ${wholeText.format(pages)}`;
    turns.first.disabled = turns.back.disabled = state.page === 0;
    turns.on.disabled = turns.last.disabled = state.page === pages - 1;
  }

  function rowOf(i) {
    const row = document.createElement("tr");
    row.dataset.trade = i;
    for (const head of heads) row.append(cellOf(head, i));
    return row;
  }

  function cellOf(head, i) {
    const { column } = head.dataset;
    const value = state.run.numbers[column]?.[i];
    const cell = document.createElement(column === "place" ? "th" : "td");
    cell.className = head.className;
    const text = value === undefined || Number.isNaN(value) ? "\u2013" : writes[column](value);
    if (column === "return" || column === "pnl") cell.classList.add(state.run.numbers.pnl[i] > 0 ? "rise" : "fall");
    cell.textContent = text;
    if (column === "place") {
      cell.scope = "row";
      linkToPrices(cell, state.run, i);
    }
    return cell;
  }

  function turn(to) {
    const last = Math.max(0, Math.ceil(state.rows.length / ROWS_A_PAGE) - 1);
    state.page = { first: 0, back: Math.max(0, state.page - 1), on: Math.min(last, state.page + 1), last }[to];
    fill();
  }

  function save() {
    const { run, rows } = state;
    const { numbers } = run;
    const moments = ["decided_at", "opened_at", "closed_at"];
    const head = ["symbol", "units", "entry_price", "exit_price", ...moments, "bars_held", "fees", "pnl", "exit_reason", "return", "stamp"];
    const written = {
      symbol: (i) => symbols[numbers.symbol[i]],
      bars_held: (i) => numbers.bars_held[i],
      exit_reason: (i) => reasons[numbers.reason[i]],
      stamp: () => run.stamp,
      ...Object.fromEntries(moments.map((name) => [name, (i) => secondText(numbers[name][i])])),
    };
    const cell = (name, i) => (written[name] ? written[name](i) : pythonText(numbers[name][i]));
    const lines = rows.map((i) => csvLine(head.map((name) => cell(name, i))));
    saveText([csvLine(head), ...lines, ""].join("\n"), `${page}-${run.label}-trades.csv`);
  }

  for (const head of heads)
    head.querySelector("button").addEventListener("click", () => {
      const { column } = head.dataset;
      state.down = state.column === column ? !state.down : false;
      state.column = column;
      renew();
    });
  for (const field of fields) field.addEventListener("input", renew);
  for (const [to, button] of Object.entries(turns)) button.addEventListener("click", () => turn(to));
  frame.querySelector("[data-save]").addEventListener("click", save);
  frame.hidden = false;

  return {
    show(run) {
      state.run = run;
      renew();
    },
  };
}

// Makes what a cell says a link to the trade among the prices, if the page shows them.
export function linkToPrices(cell, run, place) {
  if (!document.getElementById("price")) return;
  const link = document.createElement("a");
  link.href = `#trade=${run.label}-${place + 1}`;
  link.textContent = cell.textContent;
  link.setAttribute("aria-label", `${cell.textContent}: show trade ${place + 1} of ${run.name} among the prices`);
  link.addEventListener("click", () => {
    if (location.hash === link.hash) dispatchEvent(new HashChangeEvent("hashchange")); // asked for again
  });
  cell.replaceChildren(link);
}
