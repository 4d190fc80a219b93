"""The bars of one symbol and interval as the exchange has them at a moment."""

from dataclasses import dataclass

import numpy as np

from feeds.bars import PRICES, Bars, FloatArray, IntArray
from feeds.errors import BadTimeframeError
from feeds.standin.trades import RecordedTrades
from feeds.standin.wire import Candle, Row, decimals_of, kline_row
from feeds.symbol import normalise_symbol

INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The bars of one symbol and interval that were really traded.

    Attributes
    ----------
    step : how long a bar lasts, ms
    time : when they opened, ms
    prices : (bars, open high low close)
    trades : its trades, where they were recorded
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
        )

    def row(self, i: int, now: int) -> Row:
        """Return bar `i` as `klines` has it at `now` (ms)."""
        return kline_row(self.candle(i, now), self.step)

    def candle(self, i: int, now: int) -> Candle:
        """Return bar `i` as it stands at `now` (ms)."""
        opened = int(self.time[i])
        part = min(1.0, (now - opened) / self.step)
        if part == 1:
            open_, high, low, close = self.prices[i].tolist()
            return Candle(opened, open_, high, low, close, float(self.volume[i]))
        return self._traded(i, now) or self._walked(i, part)

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

    def last_opened(self, now: int) -> int | None:
        """Return the newest bar that has opened by `now` (ms), None if none has."""
        newest = until(self.time, now) - 1
        return newest if newest >= 0 else None

    def closing(self, since: int, now: int) -> range:
        """Return the bars that close after `since`, up to `now` (ms)."""
        return range(until(self.time, since - self.step), until(self.time, now - self.step))

    def forming(self, now: int) -> int | None:
        """Return the bar that forms at `now` (ms), None if none does."""
        newest = self.last_opened(now)
        return newest if newest is not None and now < self.time[newest] + self.step else None


def until(time: IntArray, moment: int) -> int:
    """Return how many of the times are not after the moment."""
    return int(np.searchsorted(time, moment, side="right"))
