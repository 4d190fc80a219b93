// The trades of the runs, as engine/report_html/packed_trades.py packs them: unpacked once for all sections.

import { unpacked } from "./unpacking.js";

let told = null;

// { symbols, reasons, groups, runs }; of a run { label, name, stamp, length, numbers, words }: columns, one value per trade.
export function tradedRuns() {
  told ??= unpackedRuns(JSON.parse(document.getElementById("runs").textContent));
  return told;
}

async function unpackedRuns({ runs, ...names }) {
  return { ...names, runs: await Promise.all(runs.map((run) => unpackedRun(run, names.reasons))) };
}

async function unpackedRun({ numbers: packed, words: spoken, ...run }, reasons) {
  const { numbers, words } = await unpackedColumns({ numbers: packed, words: spoken });
  return {
    ...run,
    numbers: { ...numbers, ...reckoned(numbers) },
    words: { ...words, exit_reason: { different: reasons, which: numbers.reason } },
  };
}

// What need not be sent: the row, the return of the money put in, and when the time is over.
function reckoned({ pnl, units, entry_price, opened_at, longest }) {
  const found = { place: pnl.map((_, at) => at), return: pnl.map((each, at) => each / (Math.abs(units[at]) * entry_price[at])) };
  return longest ? { ...found, until: longest.map((most, at) => (most > 0 ? opened_at[at] + most : NaN)) } : found;
}

// The word that a column has in a row; empty where it has none.
export function wordIn(column, at) {
  return column?.different[column.which[at]] ?? "";
}

export async function unpackedColumns({ numbers, words }) {
  return {
    numbers: await mapped(numbers, unpacked),
    words: await mapped(words, async ({ different, which }) => ({ different, which: await unpacked(which) })),
  };
}

async function mapped(columns, each) {
  const pairs = Object.entries(columns).map(async ([name, column]) => [name, await each(column)]);
  return Object.fromEntries(await Promise.all(pairs));
}
