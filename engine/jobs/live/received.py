"""What a session received, kept so that it can be rehearsed.

A folder has two files for each symbol, `BTC-USDT_1m.parquet` and, if trades were ever watched,
`BTC-USDT_trades.csv`; `run_paper.py --rehearse FOLDER/*` reads them.

- Bars are those of the session's state, as they were handed over, warm-up included. The state keeps
  each of them before anything else happens, so the files are written, whole and atomically, only
  when the session begins, goes on, and ends: of one that was killed they are brought up to date
  when it goes on.
- Trades are kept nowhere else: those of a bar are added, in one write, when it has closed. Whoever
  is killed loses those of the bar that was forming. They are those that were watched, of symbols of
  which something was held or asked for, and often not all of a bar: what the rehearsal shows of a
  bar comes from the bars.
"""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pandas as pd

from engine.errors import StateError
from engine.paper.moments import PaperMoment
from engine.paper.reading import StateReader
from feeds.bars import Bars
from feeds.errors import BadFileError
from feeds.files import read_bars, write_bars
from feeds.live.moment import Tape
from feeds.standin.trade_files import append_trades, drop_unfinished
from feeds.standin.trades import RecordedTrades


class Received:
    """Keeps what one session receives, as long as its block lasts.

    Parameters
    ----------
    folder : made if there is none; one of this very session is gone on with
    reader : of the session's state
    """

    def __init__(self, folder: Path, reader: StateReader) -> None:
        self._folder, self._reader = folder, reader

    def __enter__(self) -> Self:
        """Write the bars that the session has already.

        Raises
        ------
        StateError : the folder is another session's, or cannot be written
        """
        symbols = self._reader.facts().symbols
        for symbol in symbols:
            self._refuse_another(symbol)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for symbol in symbols:
                drop_unfinished(self._trades_file(symbol))
        except OSError as error:
            raise StateError(f"{self._folder}: cannot be written: {error.strerror}") from error
        self._write_bars()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._write_bars()

    def take(self, moment: PaperMoment) -> None:
        """Keep the trades that were seen inside of the bars that have closed."""
        for symbol, tape in moment.tapes.items():
            trades = _trades(symbol, tape)
            if len(trades):
                append_trades(trades, self._trades_file(symbol))

    def _write_bars(self) -> None:
        for symbol in self._reader.facts().symbols:
            bars = self._reader.bars(symbol)
            if not bars.filled.all():
                write_bars(bars, self._bars_file(symbol))

    def _refuse_another(self, symbol: str) -> None:
        bars, trades = self._bars_file(symbol), self._trades_file(symbol)
        if not self._has(symbol, bars) if bars.exists() else trades.exists():
            raise StateError(
                f"{self._folder}: a recording must be one session's, found {symbol} of another; "
                "name another folder with --record"
            )

    def _has(self, symbol: str, file: Path) -> bool:
        """Return whether the file holds bars of this session."""
        try:
            kept, _ = read_bars(file)
        except BadFileError:
            return False
        own = self._reader.bars(symbol, start=kept.time[0], end=kept.closed_at[-1])
        return (kept.symbol, kept.timeframe) == (symbol, own.timeframe) and _real(kept).equals(
            _real(own)
        )

    def _bars_file(self, symbol: str) -> Path:
        return self._folder / f"{_plain(symbol)}_{self._reader.facts().timeframe}.parquet"

    def _trades_file(self, symbol: str) -> Path:
        return self._folder / f"{_plain(symbol)}_trades.csv"


def _plain(symbol: str) -> str:
    return symbol.replace("/", "-")


def _real(bars: Bars) -> pd.DataFrame:
    return bars.frame()[~bars.filled].reset_index(drop=True)


def _trades(symbol: str, tape: Tape) -> RecordedTrades:
    """Return what is on a tape, in the order of its times, without what nothing was traded in."""
    rows = np.argsort(tape.time, kind="stable")
    rows = rows[tape.units[rows] > 0]
    return RecordedTrades(
        symbol,
        time=tape.time[rows],
        price=tape.price[rows],
        units=tape.units[rows],
        buyer_is_maker=tape.buyer_is_maker[rows],
    )
