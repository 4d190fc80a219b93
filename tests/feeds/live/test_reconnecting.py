"""Exchanges end a connection after a day: it is made anew before that."""

import pytest

from feeds.errors import ExchangeError
from feeds.live.spec import CONNECTION_S, LiveSpec
from feeds.standin.stream_faults import StreamFault, StreamFaultKind
from tests.feeds.live.harness import MINUTE, Scene, assert_true, follow

BTC = "BTC/USDT"
BARS = 10
ENDED = 240.0  # seconds of the market after which the stand-in ends a connection
ENDS = (StreamFault(kind=StreamFaultKind.OLD_AGE, bar=0, part=0.0, seconds=ENDED),)


def test_a_connection_is_made_anew_before_the_exchange_ends_it() -> None:
    followed = follow(Scene(bars=BARS, speed=60, faults=ENDS, connection_s=90))
    assert_true(followed, [BTC], BARS)
    assert followed.health.reconnects >= 3
    assert followed.health.failures == {}  # it has ended none


def test_without_the_plan_the_exchange_ends_it() -> None:
    followed = follow(Scene(bars=BARS, speed=60, faults=ENDS))
    assert_true(followed, [BTC], BARS)
    assert followed.health.reconnects == 2  # after 4 and after 8 of 10 minutes
    assert {kind: n for kind, n in followed.health.failures.items() if "stream" in kind} == {
        "stream: connection lost": 2
    }


def test_each_connection_that_was_given_up_for_its_silence_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene(bars=50, speed=600)  # for 5 s, of which nobody trades: silence lasts 2 s
    with caplog.at_level("WARNING", "tandem.feeds"):
        followed = follow(scene, meanwhile=lambda feed, *_: feed.watch_trades([BTC]))
    assert_true(followed, [BTC], 50)
    silences = followed.health.failures["stream: silence"]
    assert followed.health.reconnects == silences >= 1
    words = f"the stream of trades of {BTC}: nothing came for 2 s; connecting anew"
    assert any(words in line for line in caplog.messages)


def test_a_stream_that_is_known_to_be_without_trades_is_not_listened_to() -> None:
    scene = Scene(bars=50, speed=600, without_trades=frozenset({BTC}))
    followed = follow(scene, meanwhile=lambda feed, *_: feed.watch_trades([BTC]))
    assert_true(followed, [BTC], 50)
    assert "stream: silence" not in followed.health.failures
    assert all(not moment.tapes for moment in followed.moments)


def test_the_limit_is_below_a_day_and_must_be_a_time() -> None:
    assert 0.9 * 86_400 < CONNECTION_S < 86_400
    with pytest.raises(ExchangeError, match="longer than 0 s, found -1"):
        LiveSpec(
            exchange="binance", symbols=(BTC,), timeframe=MINUTE, warmup_bars=1, connection_s=-1
        )
