"""Trades of a kept run under freqtrade's names, for tools that read its backtest results.

docs/exports.md says what each column holds. Columns of what we do not know are there and empty.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import RunError, UsageError
from engine.jobs.showing.exported import ExportedFile, ExportedRun, written
from engine.jobs.showing.folder import RunFolder
from engine.plain import plain
from engine.records import DUST, Fill, Trade, TradeBook
from engine.tables import run_name
from feeds.moments import parse_utc

COLUMNS = (  # freqtrade's of 2024-10, in its order
    "pair",
    "stake_amount",
    "max_stake_amount",
    "amount",
    "open_date",
    "close_date",
    "open_rate",
    "close_rate",
    "fee_open",
    "fee_close",
    "trade_duration",
    "profit_ratio",
    "profit_abs",
    "exit_reason",
    "initial_stop_loss_abs",
    "initial_stop_loss_ratio",
    "stop_loss_abs",
    "stop_loss_ratio",
    "min_rate",
    "max_rate",
    "is_open",
    "enter_tag",
    "leverage",
    "is_short",
    "open_timestamp",
    "close_timestamp",
    "orders",
)
UNKNOWN = (  # to us
    "initial_stop_loss_abs",
    "initial_stop_loss_ratio",
    "stop_loss_abs",
    "stop_loss_ratio",
    "min_rate",
    "max_rate",
    "enter_tag",
)
_CLOSE = 1e-9  # relative: what text makes of a float and of a sum


@dataclass(frozen=True, slots=True, eq=False)
class FilledTrade:
    """A trade and its fills; of one that turned the position around only its own part."""

    trade: Trade
    fills: Sequence[Fill]

    def row(self) -> dict[str, Any]:
        """Return the trade under freqtrade's names, in `COLUMNS`."""
        trade = self.trade
        stake, opening, closing = self._sides()
        opened, closed = (int(at.astype("datetime64[ms]").astype(np.int64)) for at in self._ends())
        side = -1 if trade.units < 0 else 1
        known = {
            "pair": trade.symbol,
            "stake_amount": stake,
            "max_stake_amount": stake,
            "amount": abs(trade.units),
            "open_date": _date(opened),
            "close_date": _date(closed),
            "open_rate": trade.entry_price,
            "close_rate": trade.exit_price,
            "fee_open": opening,
            "fee_close": closing,
            "trade_duration": (closed - opened) // 60_000,
            "profit_ratio": trade.pnl / (stake * (1 + side * opening)),
            "profit_abs": trade.pnl,
            "exit_reason": trade.exit_reason,
            "is_open": False,
            "leverage": 1.0,
            "is_short": trade.units < 0,
            "open_timestamp": opened,
            "close_timestamp": closed,
            "orders": [_order(fill, is_entry=self._opens(fill)) for fill in self.fills],
        }
        return {name: known.get(name) for name in COLUMNS}

    def _ends(self) -> tuple[np.datetime64, np.datetime64]:
        return self.trade.opened_at, self.trade.closed_at

    def _opens(self, fill: Fill) -> bool:
        return fill.units * self.trade.units > 0

    def _sides(self) -> tuple[float, float, float]:
        """Return the money put in, and the fees of both sides as fractions of what was paid."""
        value: dict[bool, float] = defaultdict(float)
        fees: dict[bool, float] = defaultdict(float)
        for fill in self.fills:
            value[self._opens(fill)] += abs(fill.units) * fill.price
            fees[self._opens(fill)] += fill.fee
        return value[True], fees[True] / value[True], fees[False] / value[False]


def filled_trades(run: RunFolder, label: str) -> list[FilledTrade]:
    """Return the trades of a run in the order in which they ended.

    Raises
    ------
    RunError
        if the fills of the folder do not come to its trades
    """
    rows: list[Any] = run.table(label, "fills.csv").to_dict("records")
    fills = [_fill(row) for row in rows]
    found = list(with_fills(fills))
    kept = run.table(label, "trades.csv")["pnl"].to_numpy(np.float64)
    came = np.array([each.trade.pnl for each in found])
    if len(came) != len(kept) or not np.allclose(came, kept, rtol=_CLOSE, atol=_CLOSE):
        raise RunError(f"{run.path / label}: its fills do not come to its trades; make it again")
    return found


def export_trades(run: RunFolder, path: Path) -> ExportedRun:
    """Write the trades of a run: CSV, a file for each of two runs; JSON as freqtrade keeps it.

    Raises
    ------
    UsageError
        if the file is neither CSV nor JSON
    """
    if path.suffix not in (".csv", ".json"):
        raise UsageError(f"--export-trades takes FILE.csv or FILE.json, found {path}")
    rows = {label: [each.row() for each in filled_trades(run, label)] for label in run.labels}
    stamp = " ".join(run.manifest.stamps)
    files = _as_csv(rows, path, stamp) if path.suffix == ".csv" else _as_json(rows, path, stamp)
    return ExportedRun(run, "trades", files)


def _as_csv(rows: Mapping[str, list[dict[str, Any]]], path: Path, stamp: str) -> list[ExportedFile]:
    files = []
    for label, trades in rows.items():
        own = path if len(rows) == 1 else path.with_stem(f"{path.stem}-{label}")
        frame = pd.DataFrame(trades, columns=list(COLUMNS))
        frame["orders"] = [json.dumps(trade["orders"]) for trade in trades]
        text = frame.assign(stamp=stamp).to_csv(index=False, lineterminator="\n")
        files.append(written(own, text, (label,), len(trades)))
    return files


def _as_json(
    rows: Mapping[str, list[dict[str, Any]]], path: Path, stamp: str
) -> list[ExportedFile]:
    runs = {run_name(label): {"trades": trades, "stamp": stamp} for label, trades in rows.items()}
    text = json.dumps(plain({"strategy": runs}), allow_nan=False, indent=1)
    return [written(path, f"{text}\n", tuple(rows), sum(map(len, rows.values())))]


def with_fills(fills: Sequence[Fill]) -> Iterator[FilledTrade]:
    """Yield each trade with its fills, in the order in which they end."""
    book = TradeBook()
    held: dict[str, list[Fill]] = {}
    for fill in fills:
        own = held.setdefault(fill.symbol, [])
        before = sum([each.units for each in own])
        after = before + fill.units
        turns = before * after < 0 and abs(after) > DUST * abs(before)
        own.append(_part(fill, -before) if turns else fill)
        trade = book.add(fill)
        if trade is not None:
            yield FilledTrade(trade, own)
            held[fill.symbol] = [_part(fill, after)] if turns else []


def _part(fill: Fill, units: float) -> Fill:
    return replace(fill, units=units, fee=fill.fee * units / fill.units)


def _fill(row: Mapping[str, Any]) -> Fill:
    known = {each.name: row[each.name] for each in fields(Fill)}
    moments = {name: parse_utc(known[name]) for name in ("decided_at", "filled_at")}
    return Fill(**{**known, **moments})


def _order(fill: Fill, *, is_entry: bool) -> dict[str, Any]:
    return {
        "amount": abs(fill.units),
        "safe_price": fill.price,
        "ft_order_side": "buy" if fill.units > 0 else "sell",
        "order_filled_timestamp": int(fill.filled_at.astype("datetime64[ms]").astype(np.int64)),
        "ft_is_entry": is_entry,
        "ft_order_tag": fill.reason,
    }


def _date(ms: int) -> str:
    """Return a moment as freqtrade writes it.

    >>> _date(0)
    '1970-01-01 00:00:00+00:00'
    """
    return f"{np.datetime64(ms, 'ms').astype('datetime64[s]')}+00:00".replace("T", " ")
