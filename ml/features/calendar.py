"""Time: where the bar's open lies in the day and in the week (UTC), as points on a circle."""

from collections.abc import Callable
from functools import partial

import numpy as np

from feeds.bars import Bars, FloatArray
from ml.features.base import feature

_DAY_MS = 86_400_000
# 1970-01-01 was a Thursday: the week's circle starts there, which shifts it and no more.
_WEEK_MS = 7 * _DAY_MS


def on_circle(
    bars: Bars, *, period_ms: int, wave: Callable[[FloatArray], FloatArray]
) -> FloatArray:
    """Return sine or cosine of the open time on a circle of `period_ms`."""
    share = (bars.time.astype(np.int64) % period_ms).astype(np.float64) / period_ms
    return wave(2.0 * np.pi * share)


_row = partial(feature, "time")

TIME = tuple(
    _row(
        f"{circle}_{wave.__name__}",
        0,
        partial(on_circle, period_ms=period_ms, wave=wave),
        f"{wave.__name__} of the open time in the {text}, UTC",
    )
    for circle, period_ms, text in (
        ("half_day", _DAY_MS // 2, "half day"),
        ("hour", _DAY_MS, "day"),
        ("weekday", _WEEK_MS, "week"),
    )
    for wave in (np.sin, np.cos)
)
