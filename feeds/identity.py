"""Whose bars a file holds: symbol and timeframe, from whoever says it first."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd

from feeds.bars import IntArray, TimeArray
from feeds.errors import BadFileError, BadTimeframeError, FeedError
from feeds.messages import printable
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe

log = logging.getLogger("tandem.feeds")
_Said = TypeVar("_Said", str, Timeframe)

SYNTHETIC = "SYNTHETIC"  # what a file of simulated bars says in its `source`

# Quotes make pairs recognisable: TRAIN_DATA is no symbol, BTC_USDT is one. Lower case only with a
# quote that no English word ends in, and only with a separator.
_QUOTES = "USDT|USDC|FDUSD|BUSD|TUSD|DAI|USD|EUR|GBP|JPY|KRW|TRY|BRL|AUD|BTC|ETH|BNB"
_PAIR = re.compile(
    rf"(?:(?<=[^A-Za-z0-9])|^)"
    rf"(?:(?P<base>[A-Z0-9]{{2,20}}?)[-_/]?(?P<quote>{_QUOTES})"
    rf"|(?P<low_base>[a-z0-9]{{2,20}})[-_/](?P<low_quote>usdt|usdc|usd|eur))"
    rf"(?:[-_](?P<timeframe>[1-9]\d{{0,3}}[mhd]))?(?=[^A-Za-z0-9]|$)"
)
_ENDS_WITH_TIMEFRAME = re.compile(r"(?:^|[-_])([1-9]\d{0,3}[mhd])$")


@dataclass(frozen=True, slots=True)
class Claim:
    """What one source says a file holds; None where it says nothing."""

    origin: str
    symbol: str | None = None
    timeframe: Timeframe | None = None


def claim_of_name(path: Path) -> Claim:
    """Read a file's name: `binance_BTC-USDT_5m`, `BTC_USDT-5m`, `BTCUSDT-5m-2024-01`, …

    >>> claim_of_name(Path("binance_BTC-USDT_5m.parquet")).symbol
    'BTC/USDT'
    """
    pair = _PAIR.search(path.stem)
    timed = _ENDS_WITH_TIMEFRAME.search(path.stem)
    timeframe = (pair and pair["timeframe"]) or (timed and timed[1])
    return Claim(
        "its name",
        symbol=_joined(pair) if pair else None,
        timeframe=Timeframe.parse(timeframe) if timeframe else None,
    )


def claim_of_text(origin: str, symbol: str | None, timeframe: str | None, source: str) -> Claim:
    """Read what a file says about itself in words; words that mean nothing are refused."""
    pair = None if symbol is None else _PAIR.fullmatch(symbol)
    try:
        named = _joined(pair) if pair else symbol and normalise_symbol(symbol)
        return Claim(origin, named or None, Timeframe.parse(timeframe) if timeframe else None)
    except FeedError as error:
        raise BadFileError(f"{source}: {origin}: {error}") from error


def claim_of_columns(table: pd.DataFrame, source: str) -> Claim:
    """Read the constant columns `symbol` and `timeframe`."""
    symbol, timeframe = (_constant(table, name, source) for name in ("symbol", "timeframe"))
    return claim_of_text("its columns", symbol, timeframe, source)


def says_synthetic(table: pd.DataFrame) -> bool:
    """Return whether the `source` column calls any row simulated."""
    return "source" in table and SYNTHETIC in set(table["source"].dropna().unique())


def settle_symbol(claims: Sequence[Claim], source: str) -> str:
    """Return the symbol that is claimed first.

    Raises
    ------
    BadFileError
        if nobody says it: figures under the name of another market would mislead
    """
    said = [(claim.origin, claim.symbol) for claim in claims if claim.symbol is not None]
    if not said:
        raise BadFileError(
            f"{source}: the file, its name or the command must say which symbol it is, found "
            "none; name it by --symbol, such as --symbol BTC/USDT, or call the file "
            f"BTC-USDT_{source}"
        )
    return _first(said, source)


def settle_timeframe(claims: Sequence[Claim], time: TimeArray, source: str) -> Timeframe:
    """Return the timeframe that is claimed first, or the most common spacing of the rows.

    Raises
    ------
    BadFileError
        if the spacing of the rows contradicts the claim, or none tells the timeframe
    """
    said = [(claim.origin, claim.timeframe) for claim in claims if claim.timeframe is not None]
    steps = np.asarray(np.diff(np.unique(time.astype(np.int64))), np.int64)
    if not said:
        return _timeframe_of(steps, source)
    timeframe = _first(said, source)
    if len(steps) and _contradict(steps, timeframe):
        raise BadFileError(
            f"{source}: {said[0][0]} says {timeframe}, but most rows are "
            f"{_readable(_most_common(steps))} apart; correct whichever is wrong"
        )
    return timeframe


def _joined(pair: re.Match[str]) -> str:
    base, quote = pair["base"] or pair["low_base"], pair["quote"] or pair["low_quote"]
    return normalise_symbol(f"{base}/{quote}")


def _constant(table: pd.DataFrame, name: str, source: str) -> str | None:
    if name not in table:
        return None
    found = [str(value) for value in table[name].dropna().unique()]
    if len(found) > 1:
        raise BadFileError(
            f"{source}: column {name} must hold one value, found "
            f"{printable(found[0])} and {printable(found[1])}"
        )
    return found[0] if found else None


def _first(said: Sequence[tuple[str, _Said]], source: str) -> _Said:
    """Return what is said first; who contradicts it is mentioned, and not followed."""
    origin, chosen = said[0]
    for other, value in said[1:]:
        if value != chosen:
            log.warning(
                "%s: %s says %s, %s %s; taking %s", source, origin, chosen, other, value, chosen
            )
    return chosen


def _contradict(steps: IntArray, timeframe: Timeframe) -> bool:
    """Return whether no two rows are a timeframe apart, or most are nearer to each other."""
    return not bool((steps == timeframe.ms).any()) or float(np.median(steps)) < timeframe.ms


def _timeframe_of(steps: IntArray, source: str) -> Timeframe:
    if not len(steps):
        raise BadFileError(f"{source}: one time tells no timeframe; name it: --timeframe 5m")
    spacing = _most_common(steps)
    try:
        return Timeframe(spacing)
    except BadTimeframeError as error:
        raise BadFileError(
            f"{source}: most rows are {_readable(spacing)} apart; {error}"
        ) from error


def _most_common(steps: IntArray) -> int:
    spacings, counts = np.unique(steps, return_counts=True)
    return int(spacings[np.argmax(counts)])


def _readable(spacing: int) -> str:
    return str(Timeframe(spacing)) if spacing % 60_000 == 0 else f"{spacing / 1000:g} s"
