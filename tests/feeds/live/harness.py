"""A live feed on a stand-in exchange, run to its end, and what it handed over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from feeds.bars import PRICES, Bars
from feeds.clock import ReplayClock
from feeds.live.feed import LiveFeed
from feeds.live.moment import FeedHealth, Moment, Opening
from feeds.live.spec import CONNECTION_S, Confirm, LiveSpec
from feeds.standin.faults import Fault
from feeds.standin.server import StandIn
from feeds.standin.stream_faults import StreamFault
from feeds.standin.trades import RecordedTrades
from feeds.timeframe import Timeframe
from tests.makers import START, make_bars

MINUTE = Timeframe.parse("1m")
HISTORY = 60  # bars before the replay begins
WARMUP = 30
PATIENCE_S = 20.0  # real seconds that a moment may take: machines are shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is replayed, how fast, and how many live bars of it."""

    bars: int = 10
    symbols: tuple[str, ...] = ("BTC/USDT",)
    speed: float = 600.0
    confirm: Confirm = "always"
    faults: Sequence[Fault | StreamFault] = ()
    connection_s: float = CONNECTION_S
    without_trades: frozenset[str] = frozenset()
    skipped: int = 0  # bars of market time that pass between what is known and the replay

    def recorded(self) -> list[Bars]:
        count = HISTORY + self.skipped + self.bars + 30
        return [
            make_bars(count, seed, symbol=symbol, timeframe="1m")
            for seed, symbol in enumerate(self.symbols)
        ]

    @property
    def begin(self) -> datetime:
        minutes = timedelta(minutes=HISTORY + self.skipped)
        return datetime.fromisoformat(str(START)).replace(tzinfo=UTC) + minutes

    def clock(self) -> ReplayClock:
        return ReplayClock(self.begin, self.speed)

    def spec(self, exchange: StandIn) -> LiveSpec:
        end = np.datetime64(self.begin.replace(tzinfo=None), "ms") + self.bars * MINUTE.delta
        return LiveSpec(
            exchange="binance",
            symbols=self.symbols,
            timeframe=MINUTE,
            warmup_bars=WARMUP,
            base_url=exchange.url,
            stream_url=exchange.stream_url,
            confirm=self.confirm,
            connection_s=self.connection_s,
            without_trades=self.without_trades,
            until=end,
        )


@dataclass(frozen=True, slots=True)
class Followed:
    """What a feed has handed over, and what the exchange says at last."""

    opening: Opening
    moments: tuple[Moment, ...]
    health: FeedHealth
    truth: Mapping[str, Bars]


def follow(
    scene: Scene,
    *,
    markets: Sequence[Bars] | None = None,
    trades: Sequence[RecordedTrades] = (),
    known: Mapping[str, Bars] | None = None,
    meanwhile: Callable[[LiveFeed, StandIn, Moment], None] = lambda *_: None,
) -> Followed:
    """Run a feed until its last moment; `meanwhile` is called after each."""
    clock = scene.clock()
    if markets is None:
        markets = scene.recorded()
    with StandIn(markets, trades=trades, clock=clock, faults=scene.faults) as exchange:
        rng = np.random.default_rng(0)
        feed = LiveFeed(scene.spec(exchange), known=known, clock=clock, speed=scene.speed, rng=rng)
        with feed:
            moments = []
            while not feed.ended:
                moment = feed.next_moment(PATIENCE_S)
                if moment is None:
                    break
                moments.append(moment)
                meanwhile(feed, exchange, moment)
            assert feed.ended, f"no moment after {moments[-1].closed_at if moments else 'opening'}"
            opening, health = feed.opening, feed.health()
        truth = {symbol: exchange.truth(symbol) for symbol in scene.symbols}
    return Followed(opening, tuple(moments), health, truth)


def column(moments: Sequence[Moment], symbol: str, name: str) -> list[Any]:
    """Return one column of a symbol's live bars."""
    return [getattr(m.bars[symbol].bar, name)[0] for m in moments if symbol in m.bars]


def assert_true(followed: Followed, symbols: Sequence[str], steps: int) -> None:
    """Each bar is as the exchange says at last, once, in order; history as well."""
    closes = [moment.closed_at for moment in followed.moments]
    first = min(bars.closed_at[-1] for bars in followed.opening.history.values())
    expected = first + np.arange(1, steps + 1) * MINUTE.delta
    np.testing.assert_array_equal(closes, expected)
    for symbol in symbols:
        assert_bars_true(followed, symbol)


def assert_bars_true(followed: Followed, symbol: str) -> None:
    """The symbol's history and live bars equal the exchange's last word."""
    truth, history = followed.truth[symbol], followed.opening.history[symbol]
    live = column(followed.moments, symbol, "time")
    times = np.concatenate([history.time, np.array(live, "datetime64[ms]")])
    rows = np.searchsorted(truth.time, times)
    np.testing.assert_array_equal(truth.time[rows], times)
    for name in (*PRICES, "volume"):
        got = np.concatenate([getattr(history, name), column(followed.moments, symbol, name)])
        np.testing.assert_array_equal(got, getattr(truth, name)[rows], err_msg=name)
