"""What the page is told is what the state says, whole or in pieces."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.dashboard.discreet import discreet
from engine.dashboard.health_view import ml_view
from engine.dashboard.ledger import Ledger, thin
from engine.dashboard.session_view import MOST_BARS, MOST_DECISIONS, MOST_POINTS, SessionView
from engine.errors import UsageError
from engine.paper.health import SessionState
from engine.paper.reading import StateReader
from engine.paper.records import Event
from engine.paper.rows import RecordedMoment
from engine.paper.state import PaperState
from engine.records import trades_of
from strategies.config import CryptoScalpingConfig
from strategies.scalping_rules import RULES
from tests.engine.dashboard.session_makers import (
    BUNDLE,
    MEMBERS,
    WEBHOOK,
    Recorded,
    make_health,
)

SYMBOL = "BTC/USDT"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "paper.sqlite"


@pytest.fixture(scope="module")
def whole(recorded: Recorded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionView]:
    """A view of the whole session, to look at only."""
    path = tmp_path_factory.mktemp("whole") / "paper.sqlite"
    with recorded.begin(path, len(recorded.records)):
        view = SessionView(path)
        yield view
        view.close()


def test_a_window_holds_the_latest_of_everything(whole: SessionView, recorded: Recorded) -> None:
    shown = whole.window(SYMBOL, only=False)
    last = recorded.records[-1]
    bar = last.bars[SYMBOL].bar
    assert len(shown["bars"]["time"]) == MOST_BARS
    assert shown["bars"]["close"][-1] == bar.close[0]
    assert shown["bars"]["time"][-1] == bar.time[0].astype(int)
    assert len(shown["decisions"]) == MOST_DECISIONS
    assert shown["account"]["equity"] == last.cash + last.position_value
    assert len(shown["equity"]["time"]) <= MOST_POINTS
    assert shown["session"]["stamps"] == ["REHEARSAL", "SYNTHETIC"]


def test_trades_add_up_to_those_of_the_fills(whole: SessionView, recorded: Recorded) -> None:
    account = whole.window(None, only=False)["account"]
    trades = trades_of(each.fill for record in recorded.records for each in record.fills)
    assert len(trades) > 20
    assert account["trades"] == len(trades)
    assert account["won"] == sum(trade.pnl > 0 for trade in trades)
    assert account["pnl"] == pytest.approx(sum(trade.pnl for trade in trades))


def test_the_deepest_fall_is_not_thinned_away(whole: SessionView, recorded: Recorded) -> None:
    values = [record.cash + record.position_value for record in recorded.records]
    peaks = np.maximum.accumulate(values)
    shown = whole.window(SYMBOL, only=False)
    assert shown["account"]["deepest"] == pytest.approx(np.max(1 - values / peaks))
    assert min(shown["equity"]["value"]) == min(values)
    assert max(shown["equity"]["value"]) == max(values)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=300), st.integers(4, 40))
def test_thinning_keeps_the_ends_and_the_extremes(values: list[float], most: int) -> None:
    kept = thin(np.array(values), most)
    assert len(kept) <= most
    assert kept == sorted(kept)
    assert (kept[0], kept[-1]) == (0, len(values) - 1)
    assert {min(values), max(values)} <= {values[i] for i in kept}


def test_every_entry_is_told_with_its_five_votes_and_seven_rules(whole: SessionView) -> None:
    entered = [
        each
        for each in whole.window(SYMBOL, only=False)["decisions"]
        if each["outcome"] == "entered" and each["ml"]["asked"] == "answered"
    ]
    assert entered
    for decision in entered:
        assert [rule["name"] for rule in decision["rules"]] == list(RULES)
        assert set(decision["ml"]["votes"]) == set(MEMBERS)
        points = sum(rule["points"] for rule in decision["rules"]) + decision["ml"]["points"]
        assert decision["score"] == pytest.approx(points)
        assert decision["score"] >= decision["needed"]
        assert all(rule["asked"] and rule["found"] for rule in decision["rules"])
        assert decision["why"].startswith("score ")


def test_what_was_not_traded_says_why(whole: SessionView) -> None:
    told = whole.window(SYMBOL, only=False)["decisions"]
    whys = {each["outcome"]: each["why"] for each in told}
    assert whys["in_position"] == "a position was held, or an entry waited"
    assert whys["score_below"].endswith(", and an entry needs 6.5")


def test_the_rules_worth_are_those_of_the_strategy(whole: SessionView) -> None:
    points = CryptoScalpingConfig().points
    decision = whole.window(SYMBOL, only=False)["decisions"][-1]
    assert {rule["name"]: rule["worth"] for rule in decision["rules"]} == {
        rule: getattr(points, rule) for rule in RULES
    }
    assert decision["most"] == sum(getattr(points, rule) for rule in RULES) + points.largest_bonus


def test_a_position_has_its_stop_and_target(recorded: Recorded, path: Path) -> None:
    held = next(i for i, record in enumerate(recorded.records) if record.position_value > 0)
    fill = recorded.records[held].fills[0].fill
    with recorded.begin(path, held + 1):
        view = SessionView(path)
        shown = view.window(fill.symbol, only=False)
        (position,) = [p for p in shown["positions"] if p["symbol"] == fill.symbol]
        assert position["entry_price"] == fill.price
        assert position["stop"] < fill.price < position["target"]
        assert position["ml_on"] is True
        levels = {order["kind"]: order["price"] for order in shown["orders"]
                  if order["symbol"] == fill.symbol}  # fmt: skip
        assert levels == {"stop": position["stop"], "limit": position["target"]}
        (market,) = [m for m in shown["markets"] if m["symbol"] == fill.symbol]
        assert market["text"] == "held"
        view.close()


KEPT = ("bars", "equity")


def test_news_in_pieces_add_up_to_the_window(recorded: Recorded, path: Path) -> None:
    begun, steps = 500, [*[1] * 90, 2, 5, 30, 1, 100, 1, 60]
    with recorded.begin(path, begun) as state:
        view = SessionView(path)
        grown = view.window(SYMBOL, only=True)
        grown["equity"] = {"time": [], "value": []}
        decisions = {each["decided_at"]: each for each in grown["decisions"]}
        trades = {each["entry_time"]: each for each in grown["trades"]}
        place, done = grown["id"], begun
        for step in steps:
            for record in recorded.records[done : done + step]:
                state.commit(record)
            done += step
            news = view.news(SYMBOL, place, only=True)
            assert news is not None
            _append(grown, news)
            decisions |= {each["decided_at"]: each for each in news["decisions"]}
            trades |= {each["entry_time"]: each for each in news["trades"]}
            place = news["id"]
        assert view.news(SYMBOL, place, only=True) is None
        fresh = view.window(SYMBOL, only=True)
        view.close()
    assert {name: column[-MOST_BARS:] for name, column in grown["bars"].items()} == fresh["bars"]
    assert list(decisions.values())[-MOST_DECISIONS:] == fresh["decisions"]
    assert [trades[each["entry_time"]] for each in fresh["trades"]] == fresh["trades"]
    values = [record.cash + record.position_value for record in recorded.records[begun:done]]
    assert grown["equity"]["value"] == values


def _append(grown: dict[str, Any], news: dict[str, Any]) -> None:
    """Do as the page does: take what is newer."""
    for kind in KEPT:
        last = max(grown[kind]["time"], default=-1)
        for name in grown[kind]:
            rows = zip(news[kind]["time"], news[kind][name], strict=True)
            grown[kind][name] = grown[kind][name] + [value for time, value in rows if time > last]


class Overtaken(StateReader):
    """A reader between whose questions the session goes on."""

    meanwhile: Callable[[], None]

    def moments(self, **which: Any) -> list[RecordedMoment]:
        found = super().moments(**which)
        self.meanwhile()
        return found


def test_a_session_that_goes_on_between_two_questions_counts_nothing_twice(
    recorded: Recorded, path: Path
) -> None:
    ledger, upcoming = Ledger(), iter(recorded.records)
    with recorded.begin(path, 0) as state, Overtaken.open(path) as reader:

        def go_on() -> None:
            for each in islice(upcoming, 3):
                state.commit(each)

        reader.meanwhile = go_on
        while ledger.last is None or ledger.last.closed_at < recorded.records[-1].closed_at:
            ledger.follow(reader)
    fills = [each.fill for record in recorded.records for each in record.fills]
    assert [each.trade for each in ledger.ended] == trades_of(fills)


def test_earlier_bars_join_on_without_a_gap(whole: SessionView) -> None:
    window = whole.window(SYMBOL, only=False)["bars"]
    before = whole.earlier(SYMBOL, window["time"][0], 100)["bars"]
    assert len(before["time"]) == 100
    assert before["time"][-1] == window["time"][0] - 60_000


@pytest.mark.parametrize(
    "last", ["", "0.0", "nonsense", "1.2.3", "9" * 90, "{session}.٣", "{session}."]
)
def test_who_was_at_another_session_begins_anew(whole: SessionView, last: str) -> None:
    session = whole.window(SYMBOL, only=False)["id"].split(".")[0]
    assert whole.news(SYMBOL, last.format(session=session), only=False) == {}


def test_who_is_far_behind_begins_anew(whole: SessionView) -> None:
    session = whole.window(SYMBOL, only=False)["id"].split(".")[0]
    assert whole.news(SYMBOL, f"{session}.0", only=False) == {}


def test_an_unknown_symbol_is_refused(whole: SessionView) -> None:
    with pytest.raises(UsageError):
        whole.window("DOGE/USDT", only=False)
    with pytest.raises(UsageError):
        whole.news("DOGE/USDT", "", only=False)


def test_a_session_that_has_seen_nothing_yet_is_shown(recorded: Recorded, path: Path) -> None:
    with recorded.begin(path, 0):
        view = SessionView(path)
        shown = view.window(None, only=False)
        view.close()
    assert shown["account"]["equity"] == recorded.facts.cash
    assert shown["account"]["ml"] is None
    assert shown["health"] == [
        {"name": "session", "value": "has not said anything yet", "tone": "warn"}
    ]


def _all_texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_all_texts(item))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _all_texts(item)


def test_neither_paths_nor_secrets_reach_the_browser(recorded: Recorded, path: Path) -> None:
    with recorded.begin(path, 450) as state:
        text = f"{WEBHOOK} did not answer; see {path} and /srv/log/paper.log"
        state.note(Event(at=recorded.facts.created_at, kind="error", text=text))
        health = make_health(recorded.records[449], errors=(text,), watching={SYMBOL: text})
        state.beat(health.to_json())
        view = SessionView(path)
        texts = "\n".join(_all_texts(view.window(SYMBOL, only=False)))
        view.close()
    assert "hooks.example did not answer; see paper.sqlite and paper.log" in texts
    for secret in ("secret-of-the-webhook", "/srv", str(path.parent), "https:", "4711"):
        assert secret not in texts


@pytest.mark.parametrize(
    "plain", ["BTC/USDT and ETH/USDT go on", "RSI 47.2, needs below 30", "50 % / 3", "and/or", ""]
)
def test_texts_without_paths_stay_as_they_are(plain: str) -> None:
    assert discreet(plain) == plain


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("at ~/models/mine", "at mine"),
        (r"at C:\Users\ann\x.sqlite", "at x.sqlite"),
        ("'/a/b'", "'b'"),
        ("GET https://u:p@api.example:8443/v3/x?key=1 failed", "GET api.example:8443 failed"),
        ("wss://stream.example/ws/1", "stream.example"),
        ("see file:///etc/passwd", "see "),
    ],
)
def test_paths_and_addresses_are_cut_down(text: str, told: str) -> None:
    assert discreet(text) == told


def test_a_session_that_failed_says_so(recorded: Recorded, path: Path) -> None:
    with recorded.begin(path, 3) as state:
        changed = {"state": SessionState.FAILED, "errors": ("the disk is full",), "feed": None}
        state.beat(make_health(recorded.records[2], **changed).to_json())
        shown = _health(state, path)
    assert shown["session"] == ("failed", "bad")
    assert shown["error"] == ("the disk is full", "bad")
    assert "stream" not in shown


def test_a_bar_that_does_not_come_is_shown(recorded: Recorded, path: Path) -> None:
    with recorded.begin(path, 3) as state:
        late = recorded.records[2].closed_at + np.timedelta64(600, "s")
        state.beat(make_health(recorded.records[2], now=late).to_json())
        assert _health(state, path)["last bar closed"] == ("10 min 0 s ago", "bad")


def test_a_session_that_has_ended_shows_when_and_no_age(recorded: Recorded, path: Path) -> None:
    with recorded.begin(path, 3) as state:
        later = recorded.records[2].closed_at + np.timedelta64(640, "D")
        changed = {"state": SessionState.STOPPED, "now": later}
        state.beat(make_health(recorded.records[2], **changed).to_json())
        shown = _health(state, path)
    assert shown.keys() >= {"ended", "last bar closed"}
    assert not [value for value, _ in shown.values() if "ago" in value]


def test_a_rehearsal_is_named_after_its_files_and_a_digest_is_whole(
    recorded: Recorded, path: Path
) -> None:
    facts = replace(recorded.facts, recording={"synthetic": True, "files": ["/srv/a.csv"]})
    with replace(recorded, facts=facts).begin(path, 3):
        view = SessionView(path)
        about = view.window(None, only=False)["session"]
        view.close()
    assert (about["place"], about["files"]) == ("rehearsal of a.csv (stand-in)", ["a.csv"])
    assert ml_view(BUNDLE) == {"on": True, "text": f"bundle {BUNDLE[:12]}", "digest": BUNDLE}
    assert ml_view("off")["digest"] is None


def _health(_state: PaperState, path: Path) -> dict[str, tuple[str, str | None]]:
    view = SessionView(path)
    items = view.standing()["health"]
    view.close()
    return {item["name"]: (item["value"], item["tone"]) for item in items}
