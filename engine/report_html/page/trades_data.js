// The trades of a run, as engine/report_html/trade_rows.py packs them.

import { unpacked } from "./unpacking.js";

// { label, name, needed, length, numbers, words, candidates }: columns, one value per trade.
export async function unpackedTrades({ trades, candidates, ...run }) {
  return {
    ...run,
    length: trades.length,
    ...(await unpackedColumns(trades)),
    candidates: candidates ? await unpackedColumns(candidates) : null,
  };
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
