"""The bars of one symbol and interval as the exchange has them at a moment."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from feeds.bars import PRICES, Bars, FloatArray, IntArray
from feeds.errors import BadTimeframeError
from feeds.gaps import to_bars
from feeds.standin.trades import RecordedTrades
from feeds.standin.wire import Candle, Row, decimals_of, kline_row
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")
UNFINISHED = 0.8  # of a bar, as far as REST shows it while it lags behind


class Revision(NamedTuple):
    """What a bar is from a moment (ms) on, and whether the stream tells it."""

    since: int
    candle: Candle
    told: bool


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The bars of one symbol and interval that were really traded.

    Attributes
    ----------
    step : how long a bar lasts, ms
    time : when they opened, ms
    prices : (bars, open high low close)
    trades : its trades, where they were recorded
    revisions : by open time, of bars that change after their close
    delays : by open time, until when (ms) REST shows a closed bar unfinished
    """

    symbol: str
    interval: str
    step: int
    time: IntArray
    prices: FloatArray
    volume: FloatArray
    price_decimals: int
    volume_decimals: int
    trades: RecordedTrades | None = None
    synthetic: bool = False
    revisions: Mapping[int, Revision] = field(default_factory=dict)
    delays: Mapping[int, float] = field(default_factory=dict)

    @classmethod
    def of(cls, bars: Bars, trades: RecordedTrades | None = None) -> "Series":
        symbol, interval = normalise_symbol(bars.symbol), str(bars.timeframe)
        if interval not in INTERVALS:
            raise BadTimeframeError(
                f"a recording must have a timeframe of the exchange ({', '.join(INTERVALS)}), "
                f"found {interval} of {symbol}"
            )
        real = ~bars.filled
        prices = np.stack([getattr(bars, name)[real] for name in PRICES], axis=1)
        return cls(
            symbol=symbol,
            interval=interval,
            step=bars.timeframe.ms,
            time=bars.time[real].astype(np.int64),
            prices=prices,
            volume=bars.volume[real],
            price_decimals=decimals_of(prices),
            volume_decimals=decimals_of(bars.volume[real]),
            trades=trades,
            synthetic=bars.synthetic,
        )

    def row(self, i: int, now: int) -> Row:
        """Return bar `i` as `klines` has it at `now` (ms)."""
        opened = int(self.time[i])
        unfinished = opened + round(self.step * UNFINISHED)
        lags = unfinished < now < self.delays.get(opened, 0)
        return kline_row(self.candle(i, unfinished if lags else now), self.step)

    def candle(self, i: int, now: int) -> Candle:
        """Return bar `i` as it stands at `now` (ms)."""
        opened = int(self.time[i])
        part = min(1.0, (now - opened) / self.step)
        if part == 1:
            revision = self.revisions.get(opened)
            return revision.candle if revision and revision.since <= now else self._recorded(i)
        return self._traded(i, now) or self._walked(i, part)

    def _recorded(self, i: int) -> Candle:
        open_, high, low, close = self.prices[i].tolist()
        return Candle(int(self.time[i]), open_, high, low, close, float(self.volume[i]))

    def _walked(self, i: int, part: float) -> Candle:
        """Return bar `i` when `part` of it is over.

        It is taken to walk from its open to its low, its high and its close, a third of the time
        each, so that its range grows and its close moves as those of a real one do.
        """
        open_, high, low, close = self.prices[i].tolist()
        price = float(np.interp(3 * part, [0, 1, 2, 3], [open_, low, high, close]))
        price = min(max(price, low), high)
        seen = [open_, price, *([low] if 3 * part > 1 else []), *([high] if 3 * part > 2 else [])]
        volume = float(self.volume[i]) * part
        return Candle(int(self.time[i]), open_, max(seen), min(seen), price, volume)

    def _traded(self, i: int, now: int) -> Candle | None:
        """Return what the trades until `now` make of bar `i`, None if there were none."""
        opened = int(self.time[i])
        rows = self.trades.rows(opened - 1, now) if self.trades else range(0)
        if self.trades is None or not rows:
            return None
        price = self.trades.price[rows.start : rows.stop]
        volume = float(self.trades.units[rows.start : rows.stop].sum())
        high, low = float(price.max()), float(price.min())
        return Candle(opened, float(price[0]), high, low, float(price[-1]), volume)

    def closing(self, since: int, now: int) -> range:
        """Return the bars that close after `since`, up to `now` (ms)."""
        return range(until(self.time, since - self.step), until(self.time, now - self.step))

    def begun(self, now: int) -> int:
        """Return how many bars have begun by `now` (ms).

        One whose trades are recorded begins with the first of them, not when it is its time.
        """
        count = until(self.time, now)
        opened = int(self.time[count - 1]) if count else now
        waits = self._trades_in(opened - 1, opened + self.step - 1) and not self._trades_in(
            opened - 1, now
        )
        return count - waits

    def forming(self, since: int, now: int) -> int | None:
        """Return the bar that forms at `now` (ms), None if none does or nothing is new of it.

        Where its trades are recorded, there must be one after `since`.
        """
        i = self.begun(now) - 1
        if i < 0 or now >= self.time[i] + self.step:
            return None
        opened = int(self.time[i])
        silent = self._trades_in(opened - 1, now) and not self._trades_in(
            max(opened - 1, since), now
        )
        return None if silent else i

    def _trades_in(self, after: int, until: int) -> bool:
        return self.trades is not None and bool(self.trades.rows(after, until))

    def told_again(self, since: int, now: int) -> list[Candle]:
        """Return the bars whose revision the stream tells after `since`, up to `now` (ms)."""
        revisions = self.revisions.values()
        return [r.candle for r in revisions if r.told and since < r.since <= now]

    def before(self, opened: int) -> Candle | None:
        """Return the bar before the one that opens then, as it was recorded; None if none was."""
        earlier = until(self.time, opened - 1) - 1
        return self._recorded(earlier) if earlier >= 0 else None

    def revised(self, opened: int, since: int, factor: float, *, told: bool) -> "Series":
        """Return the series with another close of the bar that opens then, from `since` on."""
        i = until(self.time, opened) - 1
        if i < 0 or self.time[i] != opened:
            return self
        candle = _with_close(self._recorded(i), factor, self.price_decimals)
        return replace(self, revisions={**self.revisions, opened: Revision(since, candle, told)})

    def delayed(self, opened: int, whole_at: float) -> "Series":
        """Return the series with a bar that REST shows unfinished until then."""
        return replace(self, delays={**self.delays, opened: whole_at})

    def without(self, start: float, end: float) -> "Series":
        """Return the series without the bars that open from `start` on, before `end` (ms)."""
        stays = (self.time < start) | (self.time >= end)
        return replace(
            self,
            time=self.time[stays],
            prices=self.prices[stays],
            volume=self.volume[stays],
            trades=self.trades and self.trades.without(start, end),
        )

    def last_word(self) -> Bars:
        """Return the bars as they are when all is said, gaps filled as everywhere."""
        table = pd.DataFrame(
            {
                "timestamp": self.time.astype("datetime64[ms]"),
                **dict(zip(PRICES, self.prices.T, strict=True)),
                "volume": self.volume,
            }
        )
        for revision in self.revisions.values():
            opened, *values = revision.candle
            table.loc[self.time == opened, [*PRICES, "volume"]] = values
        timeframe = Timeframe(self.step)
        return to_bars(table, self.symbol, timeframe, synthetic=self.synthetic)


def _with_close(candle: Candle, factor: float, decimals: int) -> Candle:
    _, _, high, low, close, _ = candle
    if high is None or low is None or close is None:
        return candle
    close = round(close * factor, decimals)
    return candle._replace(close=close, high=max(high, close), low=min(low, close))


def until(time: IntArray, moment: int) -> int:
    """Return how many of the times are not after the moment."""
    return int(np.searchsorted(time, moment, side="right"))
