"""Trades that nobody wants any more are not pushed any more, and are had again when wanted."""

from benchmarks.soak_exchange import trades_of
from feeds.live.feed import LiveFeed
from feeds.live.moment import Moment
from feeds.standin.server import StandIn
from tests.feeds.live.harness import HISTORY, Scene, assert_true, follow

BTC, ETH = SYMBOLS = "BTC/USDT", "ETH/USDT"


def test_trades_are_left_and_had_again() -> None:
    scene = Scene(bars=14, symbols=SYMBOLS, speed=240.0)
    markets = scene.recorded()
    asked: list[str] = []
    count = 0

    def meanwhile(feed: LiveFeed, exchange: StandIn, _moment: Moment) -> None:
        nonlocal count
        count += 1
        if count in (1, 9):
            feed.watch_trades(SYMBOLS)
        if count == 5:
            feed.watch_trades([ETH])
        asked[:] = [
            f"{each.path} {each.query['streams']}"
            for each in exchange.requests
            if "trade" in each.query.get("streams", "")
        ]

    trades = [trades_of(bars[HISTORY:]) for bars in markets]
    followed = follow(scene, markets=markets, trades=trades, meanwhile=meanwhile)
    assert_true(followed, SYMBOLS, scene.bars)
    assert sorted(asked) == [
        "SUBSCRIBE btcusdt@trade",
        "SUBSCRIBE btcusdt@trade",
        "SUBSCRIBE ethusdt@trade",
        "UNSUBSCRIBE btcusdt@trade",
    ]
    has = [
        BTC in moment.tapes and moment.tapes[BTC].since is not None for moment in followed.moments
    ]
    assert any(has[1:5])
    assert not any(has[6:9])
    assert any(has[10:])  # a busy machine may hand over a bar before its trades
    assert followed.health.failures == {}
