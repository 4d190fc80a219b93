"""How sure the Sharpe ratio of an account is, by drawn days.

The studentised interval, symmetric. The standard error is that of Mertens, "Comments on variance of
the IID estimator in Lo", 2002.
"""

import math

import numpy as np

from engine.metrics import DAYS_PER_YEAR
from engine.statistics.account_days import AccountDays
from engine.statistics.drawn_days import symmetric
from engine.statistics.ends import NO_ENDS, Ends
from feeds.bars import FloatArray

# Below this, a deviation is the rounding of floats.
_NOTHING = 1e-12


def sharpe_ends(account: AccountDays, counts: FloatArray) -> Ends:
    """Return the ends for the Sharpe ratio per year.

    Parameters
    ----------
    counts : how often each day was drawn (draws, days)
    """
    returns = account.growth - 1.0
    mean, deviation = returns[account.marked > 0].mean(), returns[account.marked > 0].std()
    if deviation <= _NOTHING:
        return NO_ENDS
    around = (returns - mean) / deviation * account.marked
    powers = np.stack([account.marked * around**power for power in range(5)], axis=1)
    value, error = _ratio(np.sum(powers, axis=0, keepdims=True), mean / deviation)
    drawn, errors = _ratio(counts @ powers, mean / deviation)
    if not np.isfinite(drawn).all():
        return NO_ENDS
    _, low, high = symmetric(float(value[0]), float(error[0]), drawn, errors)
    year = math.sqrt(DAYS_PER_YEAR)
    return NO_ENDS if low is None or high is None else (low * year, high * year)


def _ratio(sums: FloatArray, shift: float) -> tuple[FloatArray, FloatArray]:
    """Return Sharpe ratios per day and their standard errors; NaN where undefined.

    Parameters
    ----------
    sums : of the powers 0 to 4 of standardised returns (draws, 5)
    shift : the mean that was taken from them, in their unit
    """
    n = sums[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        m, m2, m3, m4 = (sums[:, power] / n for power in range(1, 5))
        variance = m2 - m**2
        variance[variance <= _NOTHING] = np.nan
        skew = (m3 - 3 * m * m2 + 2 * m**3) / variance**1.5
        kurtosis = (m4 - 4 * m * m3 + 6 * m**2 * m2 - 3 * m**4) / variance**2
        ratio = (m + shift) / np.sqrt(variance * n / (n - 1))
        spread = 1.0 - skew * ratio + (kurtosis - 1.0) / 4.0 * ratio**2
    return ratio, np.sqrt(np.maximum(spread, 0.0) / n)
