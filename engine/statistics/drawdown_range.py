"""How deep an account falls that goes through its days in another order.

A drawdown has no standard error, and depends on the order of the days. So what is given around it
is no interval for a true value, but between which drawdowns 95 % of the drawn accounts lie. It is
made to hold the measured one, which a decline over months, longer than any block, would leave
outside.
"""

import numpy as np

from engine.statistics.account_days import AccountDays
from engine.statistics.drawn_days import LEVEL
from engine.statistics.ends import NO_ENDS, Ends
from feeds.bars import FloatArray, IntArray

# Of accounts with fewer days it held the drawdown that half exceed in 76 to 85 % of samples.
FEWEST_DAYS = 14
# Below this, a drawdown is the rounding of floats.
_NOTHING = 1e-12
_TAILS = ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0)


def drawdown_range(account: AccountDays, drawn: IntArray, measured: float) -> Ends:
    """Return between which drawdowns 95 % of the drawn ones lie, and the measured one."""
    falls = deepest_falls(account, drawn)
    if account.marked.sum() < FEWEST_DAYS or np.ptp(falls) <= _NOTHING:
        return NO_ENDS
    low, high = np.quantile(falls, _TAILS)
    return min(float(low), measured), max(float(high), measured)


def deepest_falls(account: AccountDays, drawn: IntArray) -> FloatArray:
    """Return the deepest drawdown of each draw of days (draws, days), falls within a day too."""
    level = np.ones(len(drawn))
    peak, deepest = np.ones(len(drawn)), np.zeros(len(drawn))
    for day in np.ascontiguousarray(drawn.T):
        np.maximum(deepest, account.fall[day], out=deepest)
        np.maximum(deepest, 1.0 - level * account.low[day] / peak, out=deepest)
        np.maximum(peak, level * account.high[day], out=peak)
        level *= account.growth[day]
    return deepest
