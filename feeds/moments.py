"""Moments as text, and back: numpy's datetime64 is naive, and always UTC here."""

from datetime import UTC, datetime
from typing import Literal

import numpy as np

from feeds.messages import shown


def readable(moment: np.datetime64) -> str:
    """Return the moment for people: to the minute, or to the millisecond where that says more.

    >>> readable(np.datetime64("2024-01-01T00:05:00.000"))
    '2024-01-01 00:05Z'
    """
    return _text(moment, "m", " ")


def iso(moment: np.datetime64) -> str:
    """Return the moment for programs: to the second, or to the millisecond where that says more.

    >>> iso(np.datetime64("2024-01-01T00:05", "ms"))
    '2024-01-01T00:05:00Z'
    """
    return _text(moment, "s", "T")


def parse_utc(text: str) -> np.datetime64:
    """Read an ISO date or time, UTC where it has no zone, to the millisecond.

    Raises
    ------
    ValueError
        in one line, if it is neither

    >>> parse_utc("2024-01-31T02:00+02:00")
    np.datetime64('2024-01-31T00:00:00.000')
    """
    try:
        moment = datetime.fromisoformat(text)
        naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"a moment must be like 2024-01-31 or 2024-01-31T00:05Z, found {shown(text)}"
        ) from error
    return np.datetime64(naive, "ms")


def _text(moment: np.datetime64, unit: Literal["m", "s"], separator: str) -> str:
    if np.isnat(moment):
        return "NaT"
    whole = bool(moment == moment.astype(f"datetime64[{unit}]"))
    text = str(np.datetime_as_string(moment, unit=unit if whole else "ms"))
    return f"{text.replace('T', separator)}Z"
