"""How much worse than its aim a late fill is, as a share of the bar's range, from 1-minute bars.

    python -m benchmarks.late_fills FILE [FILE …] [--end-date DATE]

Bars of five minutes are put together from those of one. A stop some percent below the open is
touched in one of the minutes and sold at the end of it, half a minute late on average; a market
buy that is due at the open after RSI(14) < 30 pays the close of its first minute. What the price
has moved by then, against the trader, is pooled and set over the pooled range of the five minutes.
The deviation of one fill shrinks with the root of the delay; the mean is what `range_slippage` is
to cover.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from engine.jobs.settings import Settings
from engine.tables import rendered, table
from feeds.bars import PRICES, Bars, FloatArray
from feeds.files import read_bars
from feeds.indicators import rsi
from feeds.moments import parse_utc
from strategies.config import CryptoScalpingConfig

SETTINGS = Settings()
MINUTES = 5
STOPS = (0.003, 0.005, 0.01)


def five_minutes(bars: Bars) -> Iterator[dict[str, FloatArray]]:
    """Yield the prices of each segment as columns of five, one row per five minutes."""
    for rows in bars.segments():
        late = -(bars.time[rows.start].astype(np.int64) // 60_000) % MINUTES
        count = (rows.stop - rows.start - late) // MINUTES
        if count > SETTINGS.strategy.warmup_bars:
            part = slice(rows.start + late, rows.start + late + count * MINUTES)
            yield {name: getattr(bars, name)[part].reshape(-1, MINUTES) for name in PRICES}


def stopped(each: dict[str, FloatArray], below: float) -> tuple[FloatArray, FloatArray]:
    """Return how far below its stop each stopped position is sold, and the ranges, by the open."""
    opened = each["open"][:, 0]
    stop = opened * (1.0 - below)
    touched = each["low"] <= stop[:, None]
    hit = np.flatnonzero(touched.any(axis=1))
    sold = each["close"][hit, touched[hit].argmax(axis=1)]
    return (stop[hit] - sold) / opened[hit], _range(each)[hit] / opened[hit]


def bought(each: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """Return how far above the open each late entry is bought, and the ranges, by the open."""
    closes = np.ascontiguousarray(each["close"][:, -1])
    oversold = rsi(closes, 14) < CryptoScalpingConfig().rsi_oversold
    entry = np.flatnonzero(oversold[:-1]) + 1
    opened = each["open"][entry, 0]
    return (each["close"][entry, 0] - opened) / opened, _range(each)[entry] / opened


def _range(each: dict[str, FloatArray]) -> FloatArray:
    return np.asarray(each["high"].max(axis=1) - each["low"].min(axis=1))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.late_fills", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--end-date", dest="until", type=parse_utc, metavar="DATE")
    args = parser.parse_args(argv)
    shown = table("Fill", "Fills", "Range", "Worse, of the range", "Deviation of one")
    for path in args.files:
        bars, _ = read_bars(path, fill_limit=0)
        parts = list(five_minutes(bars if args.until is None else bars.known_at(args.until)))
        kinds = {f"stop {below:.1%}": [stopped(p, below) for p in parts] for below in STOPS}
        kinds["buy"] = [bought(p) for p in parts]
        for kind, found in kinds.items():
            worse, width = (np.concatenate(column) for column in zip(*found, strict=True))
            real = width > 0
            share = worse[real] / width[real]
            shown.add_row(
                f"{bars.symbol} {kind}",
                f"{real.sum():,}",
                f"{width[real].mean():.2%}",
                f"{worse[real].sum() / width[real].sum():+.2%}",
                f"{share.std():.1%}",
            )
    print(rendered(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
