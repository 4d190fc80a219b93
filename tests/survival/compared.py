"""Two states of the same session compared: all but when things came and how long they took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.paper.reading import StateReader
from feeds.bars import PRICES

Rows = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Compared:
    """How a state differs from what it should be.

    Attributes
    ----------
    bars, decisions : that there should be
    lost : bars that are not there, or otherwise
    changed : decisions likewise, and those that should not be there
    others : what else differs, by its name and with the first difference
    late : moments that came late without having been offline
    """

    bars: int
    decisions: int
    fills: int
    offline: int
    late: int
    lost: int
    changed: int
    others: Mapping[str, str]


def compared(path: Path, expected: Path) -> Compared:
    """Compare a state with what it should be."""
    with StateReader.open(path) as got, StateReader.open(expected) as wanted:
        bars, should = _bars(got), _bars(wanted)
        decided, decisions = got.decisions(), wanted.decisions()
        moments = got.moments()
        return Compared(
            bars=len(should),
            decisions=len(decisions),
            fills=len(wanted.fills()),
            offline=sum(each.offline for each in moments),
            late=sum(each.late and not each.offline for each in moments),
            lost=len(_unlike(bars, should)),
            changed=len(_unlike(decided, decisions)),
            others=_others(got, wanted),
        )


def _bars(reader: StateReader) -> list[tuple[Any, ...]]:
    names = ("time", *PRICES, "volume", "filled", "segment")
    return [
        (symbol, *row)
        for symbol in reader.facts().symbols
        for bars in [reader.bars(symbol)]
        for row in zip(*(getattr(bars, name).tolist() for name in names), strict=True)
    ]


def _others(got: StateReader, wanted: StateReader) -> Mapping[str, str]:
    pairs: dict[str, tuple[Rows, Rows]] = {
        "moments": (_moments(got), _moments(wanted)),
        "orders": (_orders(got), _orders(wanted)),
        "fills": (_fills(got), _fills(wanted)),
        "rejections": (got.rejections(), wanted.rejections()),
        "checkpoint": ([got.checkpoint()], [wanted.checkpoint()]),
    }
    found = {name: _unlike(one, other) for name, (one, other) in pairs.items()}
    return {name: str(unlike[0]) for name, unlike in found.items() if unlike}


def _moments(reader: StateReader) -> list[Any]:
    """Return the moments and the equity at them."""
    return [replace(each, arrived_at=each.closed_at, latency_ms=0.0) for each in reader.moments()]


def _orders(reader: StateReader) -> list[Any]:
    return [replace(each, sent_at=each.decided_at) for each in reader.orders()]


def _fills(reader: StateReader) -> list[Any]:
    # A fill's bar is counted from where its process began; results count it anew.
    return [replace(each, fill=replace(each.fill, bar=0)) for each in reader.fills()]


def _unlike(got: Rows, wanted: Rows) -> list[tuple[Any, Any]]:
    """Return what differs, place by place; what has no partner differs from None."""
    length = max(len(got), len(wanted))
    padded = [[*rows, *[None] * (length - len(rows))] for rows in (got, wanted)]
    return [(one, other) for one, other in zip(*padded, strict=True) if one != other]
