"""Python's own arithmetic of floats where compiled code has another: `round`, and `sum`."""

import sys

import numpy as np

from engine.sweep.compiling import part
from feeds.bars import FloatArray

_ONE = 1e12  # units of the twelfth decimal
_COARSE = 8192.0  # from here on floats are further apart than twelfth decimals
_SPLIT = 134_217_729.0  # 2**27 + 1
# Since Python 3.12 the builtin makes up for what each addition rounds away.
_COMPENSATED = sys.version_info >= (3, 12)


@part
def rounded(value: float) -> float:
    """Return `round(value, 12)` of a number from 0 on: the float next to the nearest decimal."""
    if value >= _COARSE:
        return value
    product = value * _ONE
    whole: float = np.rint(product)
    beyond = product - whole
    if beyond == 0.5 and _lost(value, product) > 0.0:
        whole += 1.0
    elif beyond == -0.5 and _lost(value, product) < 0.0:
        whole -= 1.0
    return whole / _ONE


@part
def _lost(value: float, product: float) -> float:
    """Return what rounding has taken off `product`, exactly (Dekker 1971)."""
    top = value * _SPLIT
    high = top - (top - value)
    low = value - high
    top = _ONE * _SPLIT
    one_high = top - (top - _ONE)
    one_low = _ONE - one_high
    return low * one_low - (product - high * one_high - low * one_high - high * one_low)


@part
def summed(parts: FloatArray, count: int) -> float:
    """Return `sum` of the first `count` parts."""
    total, lost = 0.0, 0.0
    for i in range(count):
        part = parts[i]
        after = total + part
        if _COMPENSATED:
            if abs(total) >= abs(part):
                lost += (total - after) + part
            else:
                lost += (part - after) + total
        total = after
    return total + lost if _COMPENSATED else total
