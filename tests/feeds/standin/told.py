"""What a listener is told of BTC/USDT, in brief."""

import asyncio
from typing import Any, TypeAlias

from feeds.bars import PRICES
from tests.feeds.standin.listener import BTC, FIRST, MINUTE, Replay, listener

Told: TypeAlias = tuple[object, ...]


def told(message: Any) -> Told:
    """Return which bar a push is of, whether it is closed, and what is wrong with its numbers."""
    if not isinstance(message, dict):
        return ("no JSON",)
    k = message["k"]
    minute = (k["t"] - FIRST) / MINUTE
    if minute % 1:
        return "no bar", k["x"]
    right = BTC[int(minute) : int(minute) + 1]
    numbers = [k[name] and float(k[name]) for name in "ohlcv"]
    expected = [float(getattr(right, name)[0]) for name in (*PRICES, "volume")]
    if not k["x"] or numbers == expected:
        return int(minute), k["x"]
    return int(minute), k["x"], *(n for n, e in zip(numbers, expected, strict=True) if n != e)


def heard(played: Replay, *minutes: float) -> list[Told]:
    async def main() -> list[Told]:
        async with listener(played) as listening:
            return [told(message) for message in await listening.at(*minutes)]

    with played.exchange:
        return asyncio.run(main())


CLOSES = (3.5, 4.0, 5.0, 6.0, 7.0)
GOOD: list[Told] = [
    (3, False), (3, True), (4, False), (4, True), (5, False), (5, True), (6, False), (6, True),
    (7, False),
]  # fmt: skip
