"""The window of an update: what came since lies behind the bars that the bundle keeps.

Nothing that was known goes or changes; new bars of the same time must be equal.
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.markets import BarSource, ExchangeBars, last_close
from engine.jobs.settings import Settings
from feeds.bars import Bars
from feeds.clock import Clock
from feeds.errors import BadBarsError
from feeds.gaps import Hole
from feeds.joining import join_bars
from feeds.moments import iso, readable
from ml.errors import TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves

log = logging.getLogger("tandem.ml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What a bundle was trained on.

    Attributes
    ----------
    bars : of all symbols, filled ones not counted
    rows : that the bars held for the training; None if the bundle does not say
    first, until : when the first bar opened and the last one closed
    """

    bars: int
    rows: int | None
    first: np.datetime64
    until: np.datetime64

    def to_json(self) -> dict[str, Any]:
        """Return the window in JSON's own types."""
        return {**asdict(self), "first": iso(self.first), "until": iso(self.until)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How the bars of one symbol grew; filled bars are not counted.

    Attributes
    ----------
    before : bars until now; 0 for a symbol that the bundle did not know
    added : bars behind them
    passed_over : new bars ahead of their end that they do not have; not taken
    missing : between the last bar before and the first added one
    """

    symbol: str
    before: int
    added: int
    passed_over: int = 0
    missing: Hole | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the growth in JSON's own types."""
        return {
            "symbol": self.symbol,
            "before": self.before,
            "added": self.added,
            "passed_over": self.passed_over,
            "missing": 0 if self.missing is None else self.missing.missing,
        }

    def notes(self) -> list[str]:
        """Return what a person should know of it, a line each."""
        said = []
        if not self.before:
            said.append("new to the bundle")
        if not self.added:
            said.append("no new bars; kept as it was")
        if self.missing is not None:
            said.append(f"a hole of {self.missing} that nobody brought")
        if self.passed_over:
            said.append(
                f"{self.passed_over:,} bars that the old ones lack ahead of their end are passed "
                "over; train once with the whole history to take them in"
            )
        return [f"{self.symbol}: {line}" for line in said]


@dataclass(frozen=True, slots=True, eq=False)
class Grown:
    """The bars of a symbol as they are now, and how they came to be that many."""

    bars: Bars
    growth: Growth


def exchange_since(kept: Sequence[Bars], clock: Clock) -> ExchangeBars:
    """Return the exchange's bars from where the first of the symbols ends."""
    if any(bars.synthetic for bars in kept):
        raise UsageError(
            "no exchange goes on with simulated bars: name a file of later ones with --data"
        )
    timeframe = kept[0].timeframe
    start = min(bars.time[-1] for bars in kept)
    symbols = [bars.symbol for bars in kept]
    return ExchangeBars(symbols, timeframe, start, last_close(timeframe, clock))


def new_bars(
    manifest: Manifest, source: BarSource, settings: Settings, until: np.datetime64 | None
) -> list[Bars]:
    """Return the new bars of each symbol, known at `until`, of the bundle's timeframe."""
    markets = source.read(settings.data)
    for bars in markets:
        check_serves(manifest, timeframe=str(bars.timeframe), feature_names=FEATURE_NAMES)
    return [bars if until is None else bars.known_at(until) for bars in markets]


def grow(manifest: Manifest, kept: Sequence[Bars], new: Sequence[Bars]) -> list[Grown]:
    """Return the bars of every symbol, those of the bundle first."""
    offered = {bars.symbol: bars for bars in new}
    grown = [_extended(old, offered.pop(old.symbol, None), manifest.fill_limit) for old in kept]
    for stranger in offered.values():
        _refuse_stranger(stranger, kept)
        bars = _from(min(old.time[0] for old in kept), stranger)
        if len(bars):
            grown.append(Grown(bars, Growth(symbol=bars.symbol, before=0, added=real_bars(bars))))
    if not any(each.growth.added for each in grown):
        raise TrainingError(_nothing_new(kept, new))
    for each in grown:
        for note in each.growth.notes():
            log.warning("%s", note)
    return grown


def _from(start: np.datetime64, stranger: Bars) -> Bars:
    """Return the bars of a new symbol from where the bundle's window begins.

    The parts are shares of the time: older bars would move rows that were learned from, or that
    parameters were searched on, into a later part.
    """
    bars = stranger[stranger.index_from(start) :]
    if len(bars) < len(stranger):
        log.warning(
            "%s: its bars before %s are left out, where the bundle's window begins",
            stranger.symbol,
            readable(start),
        )
    return bars


def _extended(old: Bars, new: Bars | None, fill_limit: int) -> Grown:
    if new is None:
        return Grown(old, Growth(symbol=old.symbol, before=real_bars(old), added=0))
    try:
        joined = join_bars(old, new, fill_limit=fill_limit)
    except BadBarsError as error:
        raise TrainingError(
            f"{error}; an update cannot know which is right: train once with the whole history"
        ) from error
    growth = Growth(
        symbol=old.symbol,
        before=real_bars(old),
        added=joined.added,
        passed_over=joined.passed_over,
        missing=joined.missing,
    )
    return Grown(joined.bars, growth)


def _refuse_stranger(bars: Bars, kept: Sequence[Bars]) -> None:
    """Refuse a new symbol that could not have been trained with those of the bundle."""
    quotes = {each.symbol.split("/")[1] for each in kept}
    if bars.symbol.split("/")[1] not in quotes:
        raise TrainingError(
            f"{bars.symbol}: a bundle is for one quote currency, this one for "
            f"{', '.join(sorted(quotes))}; train another bundle for it"
        )
    if bars.synthetic not in {each.synthetic for each in kept}:
        found, known = ("simulated", "real") if bars.synthetic else ("real", "simulated")
        raise TrainingError(
            f"{bars.symbol}: the bars of a bundle are all real or all simulated, found {found} "
            f"ones for a bundle of {known} ones; train another bundle for them"
        )


def _nothing_new(kept: Sequence[Bars], new: Sequence[Bars]) -> str:
    return (
        f"an update needs bars behind those of the bundle ({_ends(kept)}), found {_ends(new)}: "
        f"give later bars"
    )


def _ends(markets: Sequence[Bars]) -> str:
    ends = (f"{b.symbol} until {readable(b.closed_at[-1])}" for b in markets if len(b))
    return ", ".join(ends) or "none"


def real_bars(bars: Bars) -> int:
    """Return how many bars are not filled."""
    return int((~bars.filled).sum())
