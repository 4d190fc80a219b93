"""Raw rows as a file might hold them."""

import numpy as np
import pandas as pd

from feeds.timeframe import Timeframe
from tests.makers import make_bars

FIVE_MINUTES = Timeframe.parse("5m")


def raw_frame(n: int, seed: int = 0) -> pd.DataFrame:
    """Return `n` sound 5-minute rows."""
    frame = make_bars(n, seed).frame()
    frame["timestamp"] = frame["timestamp"].dt.tz_localize(None).astype("datetime64[ms]")
    return frame


def without_bars(frame: pd.DataFrame, gaps: list[int]) -> pd.DataFrame:
    """Return the rows that stay when after each one as many are missing as `gaps` says."""
    kept = np.cumsum([0, *(gap + 1 for gap in gaps)])
    return frame.iloc[kept].reset_index(drop=True)
