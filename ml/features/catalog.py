"""All features, in the order of the matrix's columns.

`python -m ml.features.catalog` prints docs/features.md.
"""

import sys

from ml.features.base import Feature
from ml.features.calendar import TIME
from ml.features.candles import CANDLES
from ml.features.context import CONTEXT
from ml.features.price import PRICE
from ml.features.technical import TECHNICAL
from ml.features.volatility import VOLATILITY
from ml.features.volume import VOLUME

FEATURES: tuple[Feature, ...] = (
    *PRICE,
    *TECHNICAL,
    *CANDLES,
    *VOLUME,
    *TIME,
    *VOLATILITY,
    *CONTEXT,
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)
FEATURE_LOOKBACK = max(feature.lookback for feature in FEATURES)

_HEAD = """\
# Features

What the models see of a bar: {count} numbers without a unit, in the order of the matrix's columns.
*Lookback* is how many bars of the same segment must lie before the bar; the longest is {longest}.
In a window without range, deviation or volume a feature takes its *neutral* value.
This page is written by `python -m ml.features.catalog > docs/features.md`; a test keeps it so.

| name | family | lookback | neutral | meaning |
|---|---|---|---|---|
"""


def as_markdown() -> str:
    """Return docs/features.md."""
    head = _HEAD.format(count=len(FEATURES), longest=FEATURE_LOOKBACK)
    return head + "".join(_line(feature) for feature in FEATURES)


def _line(feature: Feature) -> str:
    return (
        f"| `{feature.name}` | {feature.family} | {feature.lookback} | {feature.neutral:g} "
        f"| {feature.meaning} |\n"
    )


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
