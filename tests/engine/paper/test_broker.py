"""The paper broker: the backtest's fills without trades, the trades' with them, and again."""

from dataclasses import replace

import numpy as np
import pytest

from engine.jobs.hybrid_run import run_stream
from engine.jobs.markets import Market
from engine.jobs.settings import Settings, load_settings
from engine.paper.moments import Phase
from engine.paper.records import PriceModel
from feeds.live.moment import Tape
from strategies.views import WindowViews
from tests.engine.paper.paper_makers import (
    LATER,
    PaperRun,
    moments_of,
    paper_run,
    recorded,
    with_tapes,
)
from tests.makers import make_bars

EAGER = {"rsi_oversold": 45.0, "min_entry_score": 3.0, "sizing": {"fraction": 0.3}}
RULES = {"BTC/USDT": {"tick": 0.01, "amount_step": 0.0001, "min_notional": 5.0}}
GUARDED = {"max_drawdown": 0.5, "daily_loss_limit": 0.02, "cooldown_bars": 2}


def settings_of(**strategy: object) -> Settings:
    return load_settings(
        overrides={
            "strategy": EAGER | strategy,
            "symbols": RULES,
            "protections": GUARDED,
            "broker": {"maker_fee": 0.0004},
        }
    )


AT_MARKET = settings_of()
AT_LIMIT = settings_of(entry={"order": "limit", "offset_percent": 0.05, "valid_bars": 3})
TRAILING = settings_of(exits={"trailing_stop": 0.3, "max_bars": 12})


# The whole wallet, no reserve: what opens above the close that was decided on is refused.
ALL_IN = settings_of(sizing={"fraction": 1.0, "reserve_percent": 0.0})


def market(seed: int, symbol: str = "BTC/USDT", bars: int = 900) -> Market:
    return Market(make_bars(bars, seed=seed, symbol=symbol), 400)


def tapes_of(traded: Market, rng: np.random.Generator) -> dict[np.datetime64, Tape]:
    """Return trades that add up to each bar: its open, low and high in some order, its close."""
    tapes = {}
    for row in range(traded.first, len(traded.bars)):
        bar = traded.bars[row : row + 1]
        inner = [bar.low[0], bar.high[0]][:: 1 if rng.random() < 0.5 else -1]
        price = np.array([bar.open[0], *inner, bar.close[0]])
        step = bar.timeframe.delta // 5
        time = bar.time[0] + np.arange(4) * step
        tapes[bar.closed_at[0]] = Tape(
            time, price, units=np.ones(4), buyer_is_maker=np.zeros(4, np.bool_), since=bar.time[0]
        )
    return tapes


@pytest.mark.parametrize("settings", [AT_MARKET, AT_LIMIT, TRAILING], ids=["market", "limit", "tr"])
def test_without_trades_the_fills_are_the_backtests(settings: Settings) -> None:
    traded = [market(1), market(2, "ETH/USDT")]
    done = paper_run(moments_of(traded), traded, settings)
    expected = run_stream(traded, WindowViews(settings.strategy), settings)
    assert len(expected.execution.trades) > 10
    assert tuple(done.broker.fills) == expected.execution.fills
    assert tuple(done.broker.rejections) == tuple(
        each for each in expected.execution.rejections if not each.reason.endswith("_cash")
    )
    assert {each.model for each in done.broker.priced} == {PriceModel.BAR}
    assert [each.fill for each in done.broker.priced] == done.broker.fills


def traded_run(settings: Settings, seed: int) -> tuple[Market, PaperRun]:
    traded = market(seed)
    tapes = tapes_of(traded, np.random.default_rng(seed))
    return traded, paper_run(with_tapes(moments_of([traded]), tapes), [traded], settings)


@pytest.mark.parametrize("settings", [AT_MARKET, AT_LIMIT, TRAILING], ids=["market", "limit", "tr"])
@pytest.mark.parametrize("seed", [3, 4])
def test_with_trades_each_fill_is_at_one_that_came_after_the_order(
    settings: Settings, seed: int
) -> None:
    traded, run = traded_run(settings, seed)
    tapes = tapes_of(traded, np.random.default_rng(seed))
    assert len(run.broker.priced) > 20
    step = traded.bars.timeframe.delta
    sent = {}
    for each in run.broker.priced:
        assert each.model is PriceModel.TRADE
        tape = tapes[each.fill.filled_at + step]
        assert each.quoted_at in tape.time
        assert each.quote == tape.price[np.flatnonzero(tape.time == each.quoted_at)[0]]
        if each.kind == "market":
            # The first trade of the bar is at its open, a second before the order was sent.
            assert each.quoted_at == tape.time[1]
            assert each.fill.decided_at + LATER <= each.quoted_at
        elif each.kind == "limit":
            assert each.fill.price == each.order_price
        sent[each.order] = each
    assert len(sent) == len(run.broker.priced)


@pytest.mark.parametrize(
    "settings", [AT_MARKET, AT_LIMIT, TRAILING, ALL_IN], ids=["market", "limit", "tr", "all"]
)
@pytest.mark.parametrize("taped", [False, True])
def test_a_session_on_record_is_lived_through_again_to_the_last_bit(
    settings: Settings, taped: bool
) -> None:
    traded = market(5)
    tapes = tapes_of(traded, np.random.default_rng(5)) if taped else {}
    moments = list(with_tapes(moments_of([traded]), tapes))
    first = paper_run(moments, [traded], settings)
    again = paper_run(recorded(moments, first), [traded], settings)
    assert again.broker.priced == first.broker.priced
    assert again.broker.fills == first.broker.fills
    assert again.journal == first.journal
    assert again.accounts == first.accounts


@pytest.mark.parametrize(
    "settings", [AT_MARKET, AT_LIMIT, TRAILING, ALL_IN], ids=["market", "limit", "tr", "all"]
)
@pytest.mark.parametrize("taped", [False, True])
def test_a_session_goes_on_from_any_moment_as_if_it_had_never_stopped(
    settings: Settings, taped: bool
) -> None:
    traded = market(6)
    tapes = tapes_of(traded, np.random.default_rng(6)) if taped else {}
    moments = list(with_tapes(moments_of([traded]), tapes))
    whole = paper_run(moments, [traded], settings)
    for stop in range(7, len(moments), 61):
        moments_before = moments[:stop]
        flat = [m for m in moments_before if whole.accounts[m.closed_at] is not None]
        begin = moments.index(flat[-1]) + 1 if flat else 0
        account = whole.accounts[flat[-1].closed_at] if flat else None
        kept = Market(traded.bars, traded.first + begin)
        rest = [*recorded(moments[begin:stop], whole), *moments[stop:]]
        resumed = paper_run(rest, [kept], settings, account)
        known = len(whole.broker.priced) - len(resumed.broker.priced)
        assert [replace(each.fill, bar=0) for each in resumed.broker.priced] == [
            replace(each.fill, bar=0) for each in whole.broker.priced[known:]
        ]
        assert resumed.broker.cash == whole.broker.cash
        assert resumed.broker.history == whole.broker.history


def test_while_nobody_watches_only_what_rests_at_the_exchange_acts() -> None:
    traded = market(7)
    moments = moments_of([traded])
    live = paper_run(moments, [traded], AT_MARKET)
    entry = next(each for each in live.broker.priced if each.kind == "market")
    step = traded.bars.timeframe.delta
    stop = next(i for i, m in enumerate(moments) if m.closed_at == entry.fill.filled_at + step)
    offline = [
        replace(m, phase=Phase.OFFLINE, late=True) if stop < i < stop + 100 else m
        for i, m in enumerate(moments)
    ]
    run = paper_run(offline, [traded], AT_MARKET)
    asleep = {m.closed_at for m in offline if m.phase is Phase.OFFLINE}
    decided = [each for each in run.broker.priced if each.fill.decided_at in asleep]
    assert decided == []
    filled = [each for each in run.broker.priced if each.fill.filled_at + step in asleep]
    assert {each.model for each in filled} == {PriceModel.OFFLINE}
    assert {each.kind for each in filled} <= {"stop", "limit"}
    outcomes = {row["outcome"] for row in run.journal if row["decided_at"] in asleep}
    assert "missed" in outcomes
    assert "ordered" not in outcomes


def test_an_order_for_which_the_cash_does_not_suffice_is_refused_again() -> None:
    traded = market(5)
    run = paper_run(moments_of([traded]), [traded], ALL_IN)
    assert sum(map(len, run.refused.values())) > 3
    again = paper_run(recorded(moments_of([traded]), run), [traded], ALL_IN)
    assert again.broker.rejections == run.broker.rejections
    assert again.broker.fills == run.broker.fills


def test_an_order_that_was_sent_when_its_bar_had_closed_meets_the_next_one() -> None:
    traded = market(5)
    step = traded.bars.timeframe.delta
    slow = paper_run(moments_of([traded]), [traded], AT_MARKET, sends_after=step + LATER)
    market_orders = [each.fill for each in slow.broker.priced if each.kind == "market"]
    assert len(market_orders) > 10
    assert {fill.filled_at - fill.decided_at for fill in market_orders} == {step}
    again = paper_run(recorded(moments_of([traded]), slow), [traded], AT_MARKET)
    assert again.broker.priced == slow.broker.priced
