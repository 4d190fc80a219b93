// The trades of a run, as engine/report_html/trade_rows.py packs them.

import { unpacked } from "./unpacking.js";

// { label, name, needed, length, numbers, words, candidates }: columns, one value per trade.
export async function unpackedTrades({ trades, candidates, ...run }) {
  const { numbers, words } = await unpackedColumns(trades);
  return {
    ...run,
    length: trades.length,
    numbers: { ...numbers, ...reckoned(numbers) },
    words,
    candidates: candidates ? await unpackedColumns(candidates) : null,
  };
}

// What need not be sent: the return of the money put in, and when the time is over.
function reckoned({ pnl, units, entry_price, opened_at, longest }) {
  const return_fraction = pnl.map((each, at) => each / (Math.abs(units[at]) * entry_price[at]));
  const until = longest?.map((most, at) => (most > 0 ? opened_at[at] + most : NaN));
  return until ? { return_fraction, until } : { return_fraction };
}

// The word that a column has in a row; empty where it has none.
export function wordIn(column, at) {
  return column?.different[column.which[at]] ?? "";
}

async function unpackedColumns({ numbers, words }) {
  return {
    numbers: await mapped(numbers, unpacked),
    words: await mapped(words, async ({ different, which }) => ({ different, which: await unpacked(which) })),
  };
}

async function mapped(columns, each) {
  const pairs = Object.entries(columns).map(async ([name, column]) => [name, await each(column)]);
  return Object.fromEntries(await Promise.all(pairs));
}
