"""How the trades did by what they have in common: hour, weekday, score, exit, holding time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.report_html.trade_columns import TradeColumns, TradeTable
from engine.statistics.clustered import FEWEST_DAYS
from feeds.bars import FloatArray, IntArray

NONE = -(10**6)  # the band of trades for which there is no value
_ROUNDING = 1e-9  # of a score, which is a sum of floats
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    """The trades of one run in one band.

    Attributes
    ----------
    trades, wins : counts
    mean : of their returns; None if there are none
    error : standard error of the mean, trades decided on one day taken together, as they share its
        fate; None where there are too few days
    pnl : their net profit
    """

    trades: int
    wins: int
    mean: float | None
    error: float | None
    pnl: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Breakdown:
    """The trades of all runs by one thing.

    Attributes
    ----------
    bands : what the bands are called, in their order
    runs : by label, a `Band` for each; a run for which nothing is known is left out
    """

    name: str
    title: str
    bands: Sequence[str]
    runs: Mapping[str, Sequence[Band]]

    @property
    def tells_apart(self) -> bool:
        """Whether trades lie in more than one band."""
        held = zip(*self.runs.values(), strict=True)
        return sum(any(band.trades for band in bands) for bands in held) > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _By:
    """How trades are put into bands.

    Attributes
    ----------
    code : of each trade, the number of its band; `NONE` where there is no value
    called : what a band is called
    every : bands that are shown even if they are empty
    nothing : what trades without a value are called
    """

    name: str
    title: str
    code: Callable[[TradeColumns], IntArray]
    called: Callable[[int], str]
    every: Sequence[int] = ()
    nothing: str = "none"


def breakdowns(table: TradeTable) -> list[Breakdown]:
    """Return the trades by all that is known of them; without trades, nothing."""
    ways = [*_WAYS, _by_name("exit", "By exit reason", "reason", table.reasons)]
    if len(table.symbols) > 1:
        ways.append(_by_name("symbol", "By symbol", "symbol", table.symbols))
    made = [_broken_down(by, table.runs) for by in ways]
    return [each for each in made if each.runs]


def _broken_down(by: _By, runs: Sequence[TradeColumns]) -> Breakdown:
    codes = {run.label: by.code(run) for run in runs}
    told = {label: own for label, own in codes.items() if (own != NONE).any()}
    found = {code for own in told.values() for code in np.unique(own).tolist()}
    order = sorted(found.union(by.every) if told else (), key=lambda code: (code == NONE, code))
    called = [by.nothing if code == NONE else by.called(code) for code in order]
    bands = {run.label: _bands(run, told[run.label], order) for run in runs if run.label in told}
    return Breakdown(name=by.name, title=by.title, bands=called, runs=bands)


def _bands(run: TradeColumns, codes: IntArray, order: Sequence[int]) -> list[Band]:
    days = run.moments["decided_at"].astype("datetime64[D]").astype(np.int64)
    return [
        _band(run.returns[own], run.numbers["pnl"][own], days[own])
        for own in (codes == code for code in order)
    ]


def _band(returns: FloatArray, pnl: FloatArray, day: IntArray) -> Band:
    count = len(returns)
    return Band(
        trades=count,
        wins=int(np.count_nonzero(pnl > 0)),
        mean=float(returns.mean()) if count else None,
        error=_error(returns, day) if count else None,
        pnl=float(pnl.sum()),
    )


def _error(returns: FloatArray, day: IntArray) -> float | None:
    """Return the standard error of the mean, from what each day adds to it."""
    _, place = np.unique(day, return_inverse=True)
    sums = np.bincount(place, returns - returns.mean()) / len(returns)
    days = len(sums)
    return None if days < FEWEST_DAYS else float(np.sqrt(sums @ sums * days / (days - 1)))


def _by_name(name: str, title: str, column: str, names: Sequence[str]) -> _By:
    return _By(
        name=name,
        title=title,
        code=lambda run: getattr(run, column),
        called=lambda code: names[code].replace("_", " "),
    )


def _hour(run: TradeColumns) -> IntArray:
    return run.moments["opened_at"].astype("datetime64[h]").astype(np.int64) % 24


def _weekday(run: TradeColumns) -> IntArray:
    days = run.moments["opened_at"].astype("datetime64[D]").astype(np.int64)
    return (days + 3) % 7  # 1970 began on a Thursday


def _holding(run: TradeColumns) -> IntArray:
    """Return 0 for no bar, then 1, 2, 3 to 4, 5 to 8 and so on."""
    bars = np.maximum(run.numbers["bars_held"], 0.5)
    return np.ceil(np.log2(bars)).astype(np.int64) + 1


def _holding_called(code: int) -> str:
    if code < 3:
        return str(code)
    return f"{2 ** (code - 2) + 1} to {2 ** (code - 1)}"


def _whole(values: FloatArray) -> IntArray:
    """Return the whole number at or below each value; `NONE` where there is none."""
    return np.where(np.isnan(values), NONE, np.floor(np.nan_to_num(values) + _ROUNDING)).astype(
        np.int64
    )


def _tenths(run: TradeColumns) -> IntArray:
    return np.minimum(_whole(run.probability * 10.0), 9)


_WAYS: Sequence[_By] = (
    _By(
        name="hour",
        title="By hour of entry, UTC",
        code=_hour,
        called=lambda code: f"{code:02d}",
        every=range(24),
    ),
    _By(
        name="weekday",
        title="By weekday of entry, UTC",
        code=_weekday,
        called=lambda code: _WEEKDAYS[code],
        every=range(7),
    ),
    _By(
        name="score",
        title="By score at entry",
        code=lambda run: _whole(run.score),
        called=lambda code: f"{code} to {code + 1}",
        nothing="unknown",
    ),
    _By(
        name="probability",
        title="By the ensemble's probability",
        code=_tenths,
        called=lambda code: f"{code / 10:.1f} to {(code + 1) / 10:.1f}",
        nothing="not asked",
    ),
    _By(
        name="holding",
        title="By holding time",
        code=_holding,
        called=_holding_called,
    ),
)


def drawn(breakdown: Breakdown) -> dict[str, Any]:
    """Return what a chart of it is drawn from; returns in percent."""
    return {
        "name": breakdown.name,
        "bands": list(breakdown.bands),
        "runs": [
            {
                "label": label,
                "mean": [_percent(band.mean) for band in bands],
                "error": [_percent(band.error) for band in bands],
                "trades": [band.trades for band in bands],
                "wins": [band.wins for band in bands],
            }
            for label, bands in breakdown.runs.items()
        ],
    }


def _percent(value: float | None) -> float | None:
    return None if value is None else round(value * 100.0, 5)
