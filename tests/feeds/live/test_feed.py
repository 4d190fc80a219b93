"""A live feed over real sockets: what it hands over is what the exchange had."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from feeds.bars import Bars
from feeds.clock import FixedClock
from feeds.errors import BlockedError, FeedError, UnknownMarketError, UnreachableError
from feeds.live.candles import Trade
from feeds.live.client import Client
from feeds.live.feed import LiveFeed
from feeds.live.moment import Moment, Origin
from feeds.live.tapes import Tapes
from feeds.standin.faults import Fault, FaultKind
from feeds.standin.server import StandIn
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from feeds.standin.trades import RecordedTrades
from tests.feeds.live.harness import (
    HISTORY,
    PATIENCE_S,
    WARMUP,
    Scene,
    assert_bars_true,
    assert_true,
    column,
    follow,
)
from tests.makers import with_hole

BTC = "BTC/USDT"
MANY = tuple(f"A{i}/USDT" for i in range(20))


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    """No test may leave a thread behind; sockets and tasks would warn, and warnings are errors."""
    before = set(threading.enumerate())
    yield
    assert [thread for thread in threading.enumerate() if thread not in before] == []


def without(monkeypatch: pytest.MonkeyPatch, *abilities: str) -> None:
    """Let the client be that of an exchange that lacks some abilities, as ccxt states them."""
    make = Client.__init__

    def lacking(self: Client, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        self.raw.has = {**self.raw.has, **dict.fromkeys(abilities, False)}

    monkeypatch.setattr(Client, "__init__", lacking)


@pytest.mark.parametrize("confirm", ["always", "doubt"])
def test_an_undisturbed_run_is_the_recording_bar_for_bar(confirm: Any) -> None:
    followed = follow(Scene(bars=30, confirm=confirm))
    assert_true(followed, [BTC], 30)
    assert len(followed.opening.history[BTC]) == WARMUP
    assert not any(moment.offline or moment.revisions for moment in followed.moments)
    assert followed.health.reconnects == followed.health.filled == 0
    assert followed.health.failures == {}
    assert "the stream's candles" in followed.opening.how
    terms = followed.opening.terms[BTC]
    assert terms.tick > 0
    assert terms.amount_step > 0
    assert terms.min_notional == 5.0


def test_a_moment_arrives_after_it_has_closed() -> None:
    followed = follow(Scene(bars=3))
    assert all(moment.arrived_at >= moment.closed_at for moment in followed.moments)


def test_moments_of_twenty_symbols_are_complete() -> None:
    followed = follow(Scene(bars=8, symbols=MANY, speed=200.0))
    assert_true(followed, MANY, 8)
    assert all(set(moment.bars) == set(MANY) for moment in followed.moments)


def test_bars_go_on_from_the_history_without_a_seam() -> None:
    followed = follow(Scene(bars=3))
    history = followed.opening.history[BTC]
    live = column(followed.moments, BTC, "segment")
    assert live == [history.segment[-1]] * 3
    assert column(followed.moments, BTC, "time")[0] == history.closed_at[-1]


def test_minutes_without_trades_are_filled_by_the_rule_of_the_backtest() -> None:
    scene = Scene(bars=12)
    (bars,) = scene.recorded()
    quiet = with_hole(bars, HISTORY + 3, 3)
    followed = follow(scene, markets=[quiet])
    (moments,) = [followed.moments]
    assert len(moments) == 12
    origins = [moment.bars[BTC].origin for moment in moments]
    assert origins == [*[Origin.REST] * 3, *[Origin.FILLED] * 3, *[Origin.REST] * 6]
    flat = [moment.bars[BTC].bar for moment in moments[3:6]]
    before = moments[2].bars[BTC].bar
    for bar in flat:
        assert bar.open[0] == bar.high[0] == bar.low[0] == bar.close[0] == before.close[0]
        assert bar.volume[0] == 0
        assert bar.filled[0]
    assert len(set(column(moments, BTC, "segment"))) == 1
    assert followed.health.filled == 3


def test_after_too_many_minutes_without_trades_a_new_segment_begins() -> None:
    scene = Scene(bars=12, symbols=(BTC, "ETH/USDT"))
    bars, other = scene.recorded()
    followed = follow(scene, markets=[with_hole(bars, HISTORY + 2, 7), other])
    has = [BTC in moment.bars for moment in followed.moments]
    assert has == [*[True] * 7, *[False] * 2, *[True] * 3]
    segments = column(followed.moments, BTC, "segment")
    assert segments == [*[segments[0]] * 7, *[segments[0] + 1] * 3]
    assert_bars_true(followed, "ETH/USDT")


def test_a_feed_that_goes_on_fetches_what_it_has_missed_first() -> None:
    scene = Scene(bars=4, skipped=7)
    (bars,) = scene.recorded()
    known = bars[HISTORY - 20 : HISTORY]
    followed = follow(scene, known={BTC: known})
    assert followed.opening.history[BTC].digest() == known.digest()
    assert_true(followed, [BTC], 11)
    assert [moment.offline for moment in followed.moments] == [*[True] * 7, *[False] * 4]


def test_a_feed_that_goes_on_at_once_misses_nothing() -> None:
    scene = Scene(bars=3)
    (bars,) = scene.recorded()
    followed = follow(scene, known={BTC: bars[:HISTORY]})
    assert_true(followed, [BTC], 3)
    assert not any(moment.offline for moment in followed.moments)


def test_a_bar_that_changes_after_its_close_is_reported() -> None:
    revised = StreamFault(kind=StreamFaultKind.REVISION, bar=2, seconds=60.0, factor=1.01)
    followed = follow(Scene(bars=9, faults=[revised]))
    (revision,) = [each for moment in followed.moments for each in moment.revisions]
    bar = followed.moments[2].bars[BTC].bar
    assert revision.time == bar.time[0]
    assert revision.before[3] == bar.close[0]
    truth = followed.truth[BTC]
    assert revision.after[3] == truth.close[truth.time == bar.time[0]][0] != bar.close[0]
    assert followed.health.revised == 1


def test_a_halted_symbol_is_not_waited_for() -> None:
    halt = StreamFault(kind=StreamFaultKind.HALT, bar=3, symbol=BTC)
    followed = follow(Scene(bars=8, symbols=(BTC, "ETH/USDT"), faults=[halt]))
    assert [BTC in moment.bars for moment in followed.moments] == [True] * 3 + [False] * 5
    assert_bars_true(followed, "ETH/USDT")
    assert followed.health.halted == (BTC,)


def test_an_exchange_without_candles_on_its_stream_has_them_made_of_trades(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without(monkeypatch, "watchOHLCV")
    scene = Scene(bars=6)
    trades = recorded_trades(scene.recorded()[0])
    followed = follow(replace(scene, symbols=("BTC/USDT",)), markets=[], trades=[trades])
    assert_true(followed, [BTC], 6)
    assert "bars made of the stream's trades" in followed.opening.how
    # The first one was joined late, so REST repaired it; the others were watched.
    assert followed.health.repaired <= 2


@pytest.mark.parametrize("lacks", ["streams", "an address of its stream"])
def test_an_exchange_without_streams_is_asked_when_a_bar_has_closed(
    lacks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the stream of the exchange itself listened to where REST is asked of a mirror."""
    if lacks == "streams":
        without(monkeypatch, "watchOHLCV", "watchTrades")
    scene = Scene(bars=4)
    clock = scene.clock()
    clock.start()  # nobody subscribes
    with StandIn(scene.recorded(), clock=clock) as exchange:
        spec = replace(scene.spec(exchange), until=None, stream_url=None)
        if lacks == "streams":
            spec = replace(spec, stream_url=exchange.stream_url)
        with LiveFeed(spec, clock=clock, speed=scene.speed) as feed:
            moments = [feed.next_moment(PATIENCE_S) for _ in range(4)]
            assert "REST alone" in feed.opening.how
        truth = exchange.truth(BTC)
    for moment in moments:
        assert moment is not None
        bar = moment.bars[BTC].bar
        assert bar.close[0] == truth.close[truth.time == bar.time[0]][0]


@pytest.mark.parametrize("faults", [(), (StreamFault(kind=StreamFaultKind.RESET, bar=3),)])
def test_an_exchange_that_does_not_tell_the_time_is_no_trouble(
    faults: tuple[StreamFault, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "fetchTime")
    followed = follow(Scene(bars=8, faults=faults))
    assert_true(followed, [BTC], 8)


def recorded_trades(bars: Bars) -> RecordedTrades:
    """Return four trades a bar that make it: its open, low, high and close."""
    offsets = np.array([0, 15_000, 30_000, 59_000], "timedelta64[ms]")
    prices = np.stack([bars.open, bars.low, bars.high, bars.close], axis=1)
    return RecordedTrades(
        symbol=bars.symbol,
        time=(bars.time[:, None] + offsets).ravel(),
        price=prices.ravel().round(6),
        units=np.repeat((bars.volume / 4).round(6), 4),
        buyer_is_maker=np.zeros(4 * len(bars), np.bool_),
    )


def test_tapes_hold_the_trades_of_those_who_are_watched() -> None:
    scene = Scene(bars=8, symbols=(BTC, "ETH/USDT"), speed=200.0)
    trades = [recorded_trades(bars) for bars in scene.recorded()]

    def watch(feed: LiveFeed, _: StandIn, moment: Moment) -> None:
        feed.watch_trades([BTC] if not moment.tapes else [BTC, "XRP/USDT"])

    followed = follow(scene, markets=[], trades=trades, meanwhile=watch)
    assert_true(followed, scene.symbols, 8)
    assert followed.moments[0].tapes == {}
    tape, bar = followed.moments[-1].tapes[BTC], followed.moments[-1].bars[BTC].bar
    assert tape.since is not None
    assert tape.since <= bar.time[0]
    expected = [bar.open[0], bar.low[0], bar.high[0], bar.close[0]]
    np.testing.assert_array_equal(tape.price, expected)
    assert tape.time[0] == bar.time[0]
    assert "ETH/USDT" not in followed.moments[-1].tapes


def test_the_time_is_after_all_trades_that_have_come_even_if_nobody_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An order that is sent now must not be stamped as if it had been there before them."""
    without(monkeypatch, "fetchTime")
    scene = Scene(bars=2, speed=100.0)
    clock, here = scene.clock(), FixedClock(scene.begin)  # the time is that of the last candle
    come, add, seen = [0], Tapes.add, list[tuple[int, np.datetime64]]()

    def note(self: Tapes, symbol: str, trades: Sequence[Trade], *, whole: bool) -> None:
        add(self, symbol, trades, whole=whole)
        come.extend(trade.time for trade in trades)

    monkeypatch.setattr(Tapes, "add", note)
    exchange = StandIn([], trades=[recorded_trades(scene.recorded()[0])], clock=clock)
    with exchange, LiveFeed(scene.spec(exchange), clock=here, speed=scene.speed) as feed:
        feed.watch_trades([BTC])
        while not feed.ended:
            seen.append((come[-1], feed.now()))
            feed.next_moment(0.01)
    assert come[-1] > 0
    assert all(now > np.datetime64(stamp, "ms") for stamp, now in seen)


@pytest.mark.parametrize("kind", [None, StreamFaultKind.STALL, StreamFaultKind.BLACK_HOLE])
def test_a_feed_stops_soon_whatever_the_connection_does(kind: StreamFaultKind | None) -> None:
    scene = Scene()
    clock = scene.clock()
    with StandIn(scene.recorded(), clock=clock) as exchange:
        with LiveFeed(
            replace(scene.spec(exchange), until=None), clock=clock, speed=scene.speed
        ) as feed:
            assert feed.next_moment(10.0) is not None
            if kind is not None:
                exchange.add_fault(StreamFault(kind=kind))
            feed.next_moment(10.0)
            began = time.monotonic()
        assert time.monotonic() - began < 2.0
        while not feed.ended:
            feed.next_moment(1.0)
        feed.stop()  # once more does no harm


def test_a_feed_can_be_stopped_while_it_opens() -> None:
    scene = Scene(faults=[Fault(FaultKind.SERVER_ERROR, path=None)])
    with StandIn(scene.recorded(), clock=scene.clock(), faults=scene.faults) as exchange:
        feed = LiveFeed(scene.spec(exchange))
        timer = threading.Timer(0.5, feed.stop)
        timer.start()
        began = time.monotonic()
        with pytest.raises(FeedError, match="stopped before it had opened"):
            feed.__enter__()
        timer.join()
        assert time.monotonic() - began < 3.0


def test_a_feed_says_why_it_cannot_open() -> None:
    scene = Scene(symbols=("BTX/USDT",))
    with StandIn(Scene().recorded(), clock=scene.clock()) as exchange:
        spec = scene.spec(exchange)
        with pytest.raises(UnknownMarketError, match="no spot market BTX/USDT; did you mean BTC/"):
            LiveFeed(spec).__enter__()
        exchange.add_fault(Fault(FaultKind.RESTRICTED_PLACE, path=None))
        with pytest.raises(BlockedError, match="HTTP 451"):
            LiveFeed(spec).__enter__()
        with pytest.raises(UnknownMarketError, match="did you mean binance"):
            LiveFeed(replace(spec, exchange="binanse"))


def moments_of(feed: LiveFeed) -> list[Moment]:
    """Take every moment until the feed ends."""
    moments = []
    while not feed.ended:
        moment = feed.next_moment(PATIENCE_S)
        if moment is not None:
            moments.append(moment)
    return moments


def test_a_feed_that_is_refused_for_good_ends_with_the_reason() -> None:
    scene = Scene()
    clock = scene.clock()
    exchange = StandIn(scene.recorded(), clock=clock)
    with exchange, LiveFeed(scene.spec(exchange), clock=clock, speed=scene.speed) as feed:
        assert feed.next_moment(PATIENCE_S) is not None
        exchange.add_fault(Fault(FaultKind.RESTRICTED_PLACE, path=None))
        with pytest.raises(BlockedError, match="HTTP 451"):
            moments_of(feed)
        assert feed.ended


def test_nobody_there_is_said() -> None:
    with StandIn(Scene().recorded(), clock=Scene().clock()) as exchange:
        spec = Scene().spec(exchange)
    gone = replace(spec, base_url="http://127.0.0.1:9")
    rng = np.random.default_rng(0)
    feed = LiveFeed(gone, rng=rng)
    opening = threading.Timer(1.5, feed.stop)  # it would be patient for half a minute
    opening.start()
    with pytest.raises((UnreachableError, FeedError)):
        feed.__enter__()
    opening.join()


def test_the_clock_here_does_not_matter() -> None:
    """It stands still, and hours away: only what the exchange says moves time on."""
    scene = Scene(bars=4)
    clock = scene.clock()
    here = FixedClock(scene.begin.replace(hour=20))
    exchange = StandIn(scene.recorded(), clock=clock)
    with exchange, LiveFeed(scene.spec(exchange), clock=here, speed=scene.speed) as feed:
        assert len(moments_of(feed)) == 4
