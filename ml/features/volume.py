"""Volume: how much was traded, and on which side."""

from functools import partial

import numpy as np

from feeds.bars import Bars, FloatArray
from feeds.windows import before, correlation, deviation, mean, ratio
from ml.features.base import feature
from ml.features.price import last_return


def volume_ratio(bars: Bars, *, period: int) -> FloatArray:
    """Return volume over its mean, the bar itself included."""
    return ratio(bars.volume, mean(bars.volume, period))


def volume_change(bars: Bars) -> FloatArray:
    """Return the change of volume over the sum of both volumes, -1 to 1."""
    earlier = before(bars.volume, 1)
    return ratio(bars.volume - earlier, bars.volume + earlier)


def volume_trend(bars: Bars, *, fast: int, slow: int) -> FloatArray:
    """Return the mean of few over the mean of many volumes."""
    return ratio(mean(bars.volume, fast), mean(bars.volume, slow))


def volume_variation(bars: Bars, *, period: int) -> FloatArray:
    """Return the deviation of volume over its mean."""
    return ratio(deviation(bars.volume, period), mean(bars.volume, period))


def money_flow(bars: Bars, *, period: int) -> FloatArray:
    """Return the share of money that flowed while the typical price rose, 0 to 1.

    The money flow index without TA-Lib's floor, which takes a flow below 1 for none.
    """
    typical = _typical(bars)
    flow, step = typical * bars.volume, typical - before(typical, 1)
    rising, falling = (mean(np.where(side, flow, 0.0), period) for side in (step > 0, step < 0))
    return ratio(rising, rising + falling)


def signed_volume(bars: Bars, *, period: int) -> FloatArray:
    """Return volume of rising less that of falling closes over all volume, -1 to 1."""
    side = np.sign(bars.close - before(bars.close, 1))
    return ratio(mean(side * bars.volume, period), mean(bars.volume, period))


def accumulation(bars: Bars, *, period: int) -> FloatArray:
    """Return Chaikin's money flow, -1 to 1; a bar without range counts as neither side."""
    middle = (bars.high + bars.low) / 2.0
    side = np.nan_to_num(ratio(2.0 * (bars.close - middle), bars.high - bars.low))
    return ratio(mean(side * bars.volume, period), mean(bars.volume, period))


def vwap_distance(bars: Bars, *, period: int) -> FloatArray:
    """Return the logarithm of close over the volume-weighted mean price."""
    paid = mean(_typical(bars) * bars.volume, period)
    return np.log(bars.close / ratio(paid, mean(bars.volume, period)))


def return_volume_correlation(bars: Bars, *, period: int) -> FloatArray:
    """Return the correlation of return and volume, -1 to 1."""
    return correlation(last_return(bars), bars.volume, period)


def _typical(bars: Bars) -> FloatArray:
    return (bars.high + bars.low + bars.close) / 3.0


_row = partial(feature, "volume")

VOLUME = (
    *(
        _row(
            f"volume_ratio_{n}",
            n - 1,
            partial(volume_ratio, period=n),
            f"volume / its {n}-bar mean",
            1.0,
        )
        for n in (20, 100)
    ),
    _row("volume_change", 1, volume_change, "change of volume / sum of both volumes"),
    _row(
        "volume_trend_5_60",
        59,
        partial(volume_trend, fast=5, slow=60),
        "5-bar / 60-bar mean of volume",
        1.0,
    ),
    _row(
        "volume_variation_20",
        19,
        partial(volume_variation, period=20),
        "deviation / mean of volume, 20 bars",
    ),
    _row(
        "money_flow_14",
        14,
        partial(money_flow, period=14),
        "share of money that flowed while the typical price rose",
        0.5,
    ),
    _row(
        "signed_volume_20",
        20,
        partial(signed_volume, period=20),
        "(volume of rising - of falling closes) / volume",
    ),
    _row("accumulation_20", 19, partial(accumulation, period=20), "Chaikin's money flow(20)"),
    *(
        _row(
            f"vwap_distance_{n}",
            n - 1,
            partial(vwap_distance, period=n),
            f"log of close / volume-weighted mean price of {n} bars",
        )
        for n in (20, 96)
    ),
    _row(
        "return_volume_correlation_20",
        20,
        partial(return_volume_correlation, period=20),
        "correlation of return and volume",
    ),
)
