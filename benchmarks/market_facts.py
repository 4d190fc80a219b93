"""Facts of the simulated market, beside those of real bars where a file of them is at hand.

`python -m benchmarks.market_facts [FILE]` prints, in Markdown, the table of
docs/synthetic-market.md.
"""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.files import read_bars
from feeds.indicators import rsi
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe

FIVE_MINUTES = Timeframe.parse("5m")
HOUR, DAY = 12, 288  # in bars
SEEDS = range(8)
DAYS = 3 * 365


def by_time(bars: Bars, column: str) -> pd.Series:
    """Return a column by open time, with NaN where a bar is missing or filled."""
    values = pd.Series(getattr(bars, column), bars.time)[~bars.filled]
    return values.asfreq(f"{bars.timeframe.ms}ms")


def returns(bars: Bars) -> pd.Series:
    """Return the log returns by open time, with NaN where one of both closes is missing."""
    prices: pd.Series = np.log(by_time(bars, "close"))
    return prices.diff()


def yearly_volatility(bars: Bars) -> float:
    """Return the deviation of the returns, scaled to a year."""
    return float(returns(bars).std()) * math.sqrt(bars.timeframe.per_year)


def excess_kurtosis(bars: Bars) -> float:
    """Return how fat the tails of the returns are: 0 for normal ones."""
    moves = returns(bars)
    return float(((moves / moves.std()) ** 4).mean()) - 3.0


def direction_memory(bars: Bars, lag: int = 1) -> float:
    """Return the autocorrelation of the returns."""
    return float(returns(bars).autocorr(lag))


def size_memory(bars: Bars, lag: int = 1) -> float:
    """Return the autocorrelation of the size of the returns."""
    return float(returns(bars).abs().autocorr(lag))


def loudest_hour(bars: Bars) -> float:
    """Return the mean size of the returns in the loudest hour (UTC) over that in the quietest."""
    size = returns(bars).abs()
    by_hour = size.groupby(pd.DatetimeIndex(size.index).hour).mean()
    return float(by_hour.max() / by_hour.min())


def log_volume(bars: Bars) -> pd.Series:
    """Return the logarithm of the volume by open time, with NaN where nothing was traded."""
    volume = by_time(bars, "volume")
    logarithm: pd.Series = np.log(volume.where(volume > 0))
    return logarithm


def volume_memory(bars: Bars) -> float:
    """Return the autocorrelation of the log volume, one bar apart."""
    return float(log_volume(bars).autocorr(1))


def volume_and_size(bars: Bars) -> float:
    """Return the correlation of log volume and the size of the return."""
    return float(log_volume(bars).corr(returns(bars).abs()))


def reach(bars: Bars) -> float:
    """Return the mean of log(high / low) over the mean size of the return."""
    spans = np.log(by_time(bars, "high") / by_time(bars, "low"))
    return float(spans.mean() / returns(bars).abs().mean())


def oversold(bars: Bars) -> float:
    """Return the share of bars whose RSI(14) is below 30."""
    values = np.concatenate([rsi(bars.close[rows], 14) for rows in bars.segments()])
    known = values[~bars.filled & np.isfinite(values)]
    return float(np.mean(known < 30))


FACTS: Mapping[str, Callable[[Bars], float]] = {
    "yearly volatility": yearly_volatility,
    "excess kurtosis of returns": excess_kurtosis,
    "autocorrelation of the size of returns, 5 minutes": size_memory,
    "autocorrelation of the size of returns, 1 hour": lambda bars: size_memory(bars, HOUR),
    "autocorrelation of the size of returns, 1 day": lambda bars: size_memory(bars, DAY),
    "autocorrelation of returns, 5 minutes": direction_memory,
    "loudest over quietest hour": loudest_hour,
    "autocorrelation of log volume, 5 minutes": volume_memory,
    "correlation of log volume and the size of the return": volume_and_size,
    "mean of log(high / low) over mean size of the return": reach,
    "share of bars with RSI(14) below 30": oversold,
}


def facts_of(bars: Bars) -> dict[str, float]:
    """Return every fact of the bars."""
    return {name: fact(bars) for name, fact in FACTS.items()}


def simulated() -> dict[str, float]:
    """Return every fact of the simulated market: its median over the seeds."""
    markets = [
        facts_of(synthetic_bars("BTC/USDT", FIVE_MINUTES, days=DAYS, seed=seed)) for seed in SEEDS
    ]
    return {name: median(facts[name] for facts in markets) for name in FACTS}


def of_file(path: Path) -> dict[str, float]:
    """Return every fact of a file of 5-minute bars.

    Raises
    ------
    FeedError : if it cannot be read or its bars are of another timeframe
    """
    bars, _ = read_bars(path)
    if bars.timeframe != FIVE_MINUTES:
        raise FeedError(f"{path.name}: bars must be of 5m, found {bars.timeframe}")
    return facts_of(bars)


def table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Return the facts as a Markdown table: one row each, with one column per market."""
    head = [["", *columns], ["---", *("---:" for _ in columns)]]
    rows = [[name, *(f"{facts[name]:.2g}" for facts in columns.values())] for name in FACTS]
    return "\n".join(f"| {' | '.join(row)} |" for row in head + rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.market_facts", description=__doc__)
    parser.add_argument("file", type=Path, nargs="?", help="real 5-minute bars to set beside")
    path = parser.parse_args(argv).file
    try:
        real = {} if path is None else {path.stem: of_file(path)}
    except FeedError as error:
        parser.error(str(error))
    print(table({"simulated": simulated(), **real}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
