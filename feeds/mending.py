"""From raw rows, as a file or a store holds them, to sound `Bars` and a report on them."""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from feeds.bars import Bars
from feeds.errors import BadFileError
from feeds.gaps import to_bars
from feeds.quality import (
    QualityReport,
    inspect_rows,
    known_repairs,
    refuse_defects,
    repair_rows,
    report_of,
)
from feeds.timeframe import Timeframe


@dataclass(frozen=True, slots=True, eq=False)
class RawBars:
    """Rows that nobody has judged yet, and whose they are.

    Attributes
    ----------
    rows : a raw frame, see `feeds.quality`
    source : where they come from, for messages
    """

    rows: pd.DataFrame
    symbol: str
    timeframe: Timeframe
    source: str
    synthetic: bool = False

    def mended(self, repair: Iterable[str], *, fill_limit: int) -> tuple[Bars, QualityReport]:
        """Return sound bars; defects are refused unless their repairs are named.

        Raises
        ------
        BadFileError
            if no row is left after the repairs
        BadBarsError
            if the rows have defects that the named repairs do not remove
        """
        repairs = known_repairs(repair)
        sound, done = repair_rows(self.rows, self.timeframe, repairs)
        refuse_defects(inspect_rows(sound, self.timeframe), self.source, repairs)
        if sound.empty:
            raise BadFileError(f"{self.source}: no row is left after the repairs")
        bars = to_bars(
            sound, self.symbol, self.timeframe, fill_limit=fill_limit, synthetic=self.synthetic
        )
        return bars, report_of(
            bars,
            source=self.source,
            rows_read=len(self.rows),
            defects=inspect_rows(self.rows, self.timeframe) if done else (),
            repairs=done,
        )
