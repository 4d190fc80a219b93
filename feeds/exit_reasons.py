"""Why positions end."""

from enum import IntEnum


class ExitReason(IntEnum):
    """Why a position ended."""

    TAKE_PROFIT = 0
    STOP_LOSS = 1
    TRAILING_STOP = 2
    TIME_LIMIT = 3
    SEGMENT_END = 4
