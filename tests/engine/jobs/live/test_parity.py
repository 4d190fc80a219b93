"""Parity: a session on record is found as it was, up to now, and each opinion asked again."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.jobs.live.ensemble import LiveEnsemble
from engine.jobs.live.parity import Parity, parity
from engine.jobs.markets import Market, cut
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from engine.paper.moments import PaperMoment, Phase
from engine.paper.reading import StateReader
from engine.paper.state import PaperState
from feeds.live.moment import Revision
from tests.engine.jobs.live.session_makers import keep_session, taped
from tests.engine.jobs.live.state_changes import Change, Kept, in_line, one
from tests.engine.paper.paper_makers import moments_of, with_tapes
from tests.engine.paper.test_broker import AT_LIMIT, AT_MARKET, TRAILING, market, tapes_of
from tests.makers import with_hole
from tests.world import UNTIL, World


@pytest.mark.parametrize("settings", [AT_MARKET, AT_LIMIT, TRAILING], ids=["market", "limit", "tr"])
@pytest.mark.parametrize("by_trades", [False, True])
def test_what_was_done_is_found_again(settings: Settings, by_trades: bool, tmp_path: Path) -> None:
    traded = market(11)
    moments = taped(traded, 11) if by_trades else moments_of([traded])
    keep_session(tmp_path / "state", moments, [traded], settings)
    found = parity(tmp_path / "state")
    assert list(found.differences) == []
    assert found.fills > 20
    assert found.decisions > 20
    assert found.bars == len(traded.bars) - traded.first
    assert set(found.explained) == ({"trade"} if by_trades else set())
    assert list(found.to_json())[:6] == [
        "bars",
        "decisions",
        "fills",
        "explained",
        "unexplained",
        "opinions",
    ]


def test_a_hole_and_bars_that_nobody_watched_are_found_again(tmp_path: Path) -> None:
    whole = market(12)
    traded = Market(with_hole(whole.bars, at=700, missing=30), 400)
    moments = [
        replace(m, phase=Phase.OFFLINE, late=True) if i % 50 > 35 else m
        for i, m in enumerate(moments_of([traded]))
    ]
    keep_session(tmp_path / "state", moments, [traded], TRAILING)
    found = parity(tmp_path / "state")
    assert list(found.differences) == []
    assert found.explained["offline"] > 1


def test_trades_that_are_seen_from_the_middle_of_a_bar_on_price_what_they_can(
    tmp_path: Path,
) -> None:
    traded = market(11)
    tapes = {
        at: replace(
            tape,
            since=tape.time[3],
            **{
                name: getattr(tape, name)[3:]
                for name in ("time", "price", "units", "buyer_is_maker")
            },
        )
        for at, tape in tapes_of(traded, np.random.default_rng(1)).items()
    }
    moments = list(with_tapes(moments_of([traded]), tapes))
    keep_session(tmp_path / "state", moments, [traded], AT_MARKET)
    found = parity(tmp_path / "state")
    assert list(found.differences) == []
    with StateReader.open(tmp_path / "state") as reader:
        models = {(each.kind, str(each.model)) for each in reader.fills()}
    # What rests may have been met by a trade that nobody saw.
    assert models >= {("market", "trade"), ("stop", "bar"), ("limit", "bar")}
    assert ("limit", "trade") not in models


def test_no_order_is_sent_before_the_bar_is_over_whatever_the_clock_says(tmp_path: Path) -> None:
    traded = market(11)
    early = np.timedelta64(-1, "s")
    keep_session(tmp_path / "state", taped(traded, 11), [traded], AT_MARKET, decided_after=early)
    assert list(parity(tmp_path / "state").differences) == []
    with StateReader.open(tmp_path / "state") as reader:
        assert all(order.sent_at == order.decided_at for order in reader.orders())
        market_fills = [each for each in reader.fills() if each.kind == "market"]
    assert market_fills
    assert all(each.quoted_at == each.fill.filled_at for each in market_fills)


def test_bars_without_trades_between_others_fill_what_they_should(tmp_path: Path) -> None:
    traded = market(11)
    tapes = tapes_of(traded, np.random.default_rng(1))
    some = {at: tape for i, (at, tape) in enumerate(tapes.items()) if i % 3}
    moments = list(with_tapes(moments_of([traded]), some))
    keep_session(tmp_path / "state", moments, [traded], AT_MARKET)
    assert list(parity(tmp_path / "state").differences) == []
    with StateReader.open(tmp_path / "state") as reader:
        for each in reader.fills():
            by_trade = each.fill.filled_at + traded.bars.timeframe.delta in some
            assert str(each.model) == ("trade" if by_trade else "bar")
            assert each.kind != "market" or each.fill.filled_at == each.fill.decided_at


def test_a_position_that_a_hole_has_ended_is_found_again(tmp_path: Path) -> None:
    whole = market(11, bars=600)
    keep_session(tmp_path / "whole", moments_of([whole]), [whole], AT_MARKET)
    with StateReader.open(tmp_path / "whole") as reader:
        entry = next(each.fill for each in reader.fills() if each.fill.reason == "entry")
    held = whole.bars.index_from(entry.filled_at) + 1
    traded = Market(with_hole(whole.bars, at=held, missing=30), 400)
    keep_session(tmp_path / "state", moments_of([traded]), [traded], AT_MARKET)
    with StateReader.open(tmp_path / "state") as reader:
        (ended,) = (each for each in reader.fills() if each.fill.reason == "segment_end")
        assert ended.order in {order.id for order in reader.orders()}
    assert list(parity(tmp_path / "state").differences) == []


def test_a_revised_bar_explains_the_fills_on_it(tmp_path: Path) -> None:
    traded = market(13)
    moments = moments_of([traded])
    keep_session(tmp_path / "plain", moments, [traded], AT_MARKET)
    bars = traded.bars
    # Each bar is revised when the next one closes: all prices a thousandth higher.
    for i in range(1, len(moments)):
        row = traded.first + i - 1
        before = tuple(float(getattr(bars, n)[row]) for n in ("open", "high", "low", "close"))
        after = tuple(price * 1.001 for price in before)
        revision = Revision("BTC/USDT", bars.time[row], before, after, moments[i].closed_at)
        moments[i] = replace(moments[i], revisions=(revision,))
    keep_session(tmp_path / "revised", moments, [traded], AT_MARKET)
    plain, revised = parity(tmp_path / "plain"), parity(tmp_path / "revised")
    assert list(revised.differences) == []
    assert plain.explained == {}
    assert revised.explained["revision"] > 10


def test_a_session_that_goes_on_is_proved_up_to_now(tmp_path: Path) -> None:
    traded = market(11, bars=420)
    moments, path = moments_of([traded]), tmp_path / "state"
    found: list[Any] = []

    def watched() -> Iterator[PaperMoment]:
        for number, moment in enumerate(moments):
            if number == 12:
                with StateReader.open(path) as reader, reader.at_one_moment():
                    found.append(len(reader.moments()))
                    yield moment
                    found.append(len(reader.moments()))
                with ThreadPoolExecutor(1) as beside:  # backtrader looks for owners on the stack
                    found.append(beside.submit(parity, path).result())
            else:
                yield moment

    keep_session(path, watched(), [traded], AT_MARKET)
    then, still, proved = found
    assert (then, still) == (12, 12)
    assert isinstance(proved, Parity)
    assert (proved.bars, list(proved.differences)) == (13, [])


@pytest.fixture(scope="module")
def asked(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A session that asked a bundle of its own, which lies beside its state."""
    folder = tmp_path_factory.mktemp("asked")
    shutil.copytree(world.bundle, folder / "bundle")
    settings = world.settings()
    strategy = settings.strategy.model_copy(update={"ml_model_path": folder / "bundle"})
    settings = settings.model_copy(update={"strategy": strategy})
    end = UNTIL + np.timedelta64(4, "D")
    traded = [cut(bars, start=UNTIL, end=end, warmup_bars=400) for bars in world.bars]
    keep_session(folder / "state", moments_of(traded), traded, settings, ensemble_for(settings))
    return folder


def ensemble_for(settings: Settings) -> Callable[[PaperState], LiveEnsemble]:
    def made(state: PaperState) -> LiveEnsemble:
        (timeframe,) = {state.reader.bars(s).timeframe for s in state.reader.facts().symbols}
        first = serving_analyzer(settings, timeframe)
        return LiveEnsemble(
            settings, timeframe, first, lambda symbol, n: state.reader.bars(symbol, last=n)
        )

    return made


def test_every_opinion_is_asked_for_again(asked: Path) -> None:
    found = parity(asked / "state")
    assert list(found.differences) == []
    assert found.asked_again > 10
    assert found.to_json()["opinions"] == {"asked_again": found.asked_again, "recalled": 0}


@pytest.mark.parametrize(
    "change",
    [
        in_line(probability=2e-6),
        in_line(vote_random_forest=-2e-6),
        in_line(signal="another"),
        in_line(confidence="another"),
    ],
    ids=["probability", "vote", "signal", "confidence"],
)
def test_a_changed_opinion_is_told(asked: Path, tmp_path: Path, change: Change) -> None:
    kept = Kept(asked / "state", tmp_path / "changed")
    which = one("WHERE line LIKE '%answered%'", 3)
    found = parity(kept.changed("decisions", which, change)).differences
    assert any("asked again" in each for each in found)


def test_opinions_of_a_version_that_is_gone_are_recalled(asked: Path, tmp_path: Path) -> None:
    (version,) = (f for f in (asked / "bundle").iterdir() if f.is_dir())
    version.rename(tmp_path / "aside")
    try:
        found = parity(asked / "state")
    finally:
        (tmp_path / "aside").rename(version)
    assert found.passed
    assert found.asked_again == 0
    assert found.recalled == parity(asked / "state").asked_again


def test_an_opinion_where_nobody_was_there_to_give_one_is_told(asked: Path, tmp_path: Path) -> None:
    kept = Kept(asked / "state", tmp_path / "changed")

    def change(row: dict[str, Any]) -> None:
        row["ml"] = "off"

    found = parity(kept.changed("moments", "", change))
    assert found.asked_again == 0
    assert "where nobody gave any" in found.differences[0]
