"""How sure the total return of an account is.

What is drawn is the mean of the daily logarithmic returns; over as many days it is the growth of
who has neither good nor bad luck.
"""

import numpy as np

from engine.statistics.account_days import AccountDays
from engine.statistics.drawn_days import Figure, Sample
from engine.statistics.ends import NO_ENDS, Ends
from feeds.bars import FloatArray

_MEAN = Figure((0,), (1,))


def growth_ends(account: AccountDays, counts: FloatArray) -> Ends:
    """Return the ends for the growth over as many days, from those of a day's mean.

    Parameters
    ----------
    counts : how often each day was drawn (draws, days)
    """
    table = np.stack([np.log(account.growth), account.marked], axis=1)
    _, low, high = Sample.drawn(table, counts).interval(_MEAN)
    if low is None or high is None:
        return NO_ENDS
    with np.errstate(over="ignore"):  # beyond every float is as good as unknown
        grown = np.expm1(np.array([low, high]) * account.marked.sum())
    return (float(grown[0]), float(grown[1])) if np.isfinite(grown).all() else NO_ENDS
