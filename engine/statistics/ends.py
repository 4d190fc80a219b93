"""The two ends of an interval or of a range."""

from typing import TypeAlias

Ends: TypeAlias = tuple[float | None, float | None]
"""Low and high; both None where there is too little to say them."""

NO_ENDS: Ends = (None, None)
