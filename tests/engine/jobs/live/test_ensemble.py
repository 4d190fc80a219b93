"""The ensemble of a live session: exchanged at bar boundaries, given up loudly, taken up again."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from engine.jobs.live.ensemble import RETRY
from engine.jobs.serving import serving_analyzer
from ml.bundle import load_bundle
from ml.drift import STRETCH
from ml.prediction import Prediction, Unavailable
from tests.engine.jobs.live.ensemble_makers import (
    FIVE_MINUTES,
    MARKET,
    TRAINED,
    Made,
    Session,
    make,
    session_at,
    settings_at,
)
from tests.makers import make_bars

RETRY_BARS = int(RETRY / FIVE_MINUTES.delta)
# Nothing of it resembles the market that the bundle was made for.
WILD = make_bars(1200, volatility=0.05, start="2022-01-16")


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


@pytest.fixture
def path(made: Made, tmp_path: Path) -> Path:
    """A bundle of one version."""
    made.save(tmp_path / "bundle")
    return tmp_path / "bundle"


# Asked as an analyzer is


def test_it_answers_as_the_analyzer_does(path: Path) -> None:
    session = session_at(path)
    analyzer = serving_analyzer(settings_at(path), FIVE_MINUTES)
    rows = np.arange(TRAINED, TRAINED + 5)
    table = analyzer.predict(MARKET, rows)
    for row, opinion in enumerate(session.go(5)):
        assert isinstance(opinion, Prediction)
        assert opinion.probability == pytest.approx(float(table.probability[row]), abs=1e-6)
    assert session.ensemble.state == analyzer.digest
    assert session.kinds() == ["ml_bundle"]
    assert "drift is watched" in session.events[0].text
    batch = session.ensemble.predict(MARKET, rows)
    assert batch.at(0) == table.at(0)


def test_a_bundle_without_references_is_asked_and_said_not_to_be_watched(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made.save(tmp_path, references=None)
    session = session_at(tmp_path, WILD, bar=420)
    opinions = session.go(STRETCH + 20)
    assert all(isinstance(each, Prediction) for each in opinions)
    assert session.kinds() == ["ml_bundle"]
    assert "DRIFT IS NOT WATCHED" in session.events[0].text
    (warned,) = [line for line in caplog.records if line.levelname == "WARNING"]
    assert warned.getMessage() == session.events[0].text


def test_a_run_that_asks_about_other_rows_is_not_watched(made: Made, tmp_path: Path) -> None:
    references = replace(made.references, asked={**made.references.asked, "volume_ratio": 9.0})
    made.save(tmp_path, references=references)
    session = session_at(tmp_path)
    session.next()
    assert "volume_ratio = 9.0, this run has 1.5" in session.events[0].text


# Versions


def test_a_new_version_is_asked_from_the_next_bar_on(made: Made, path: Path) -> None:
    session = session_at(path)
    session.go(3)
    old = session.ensemble.state
    made.save(path, day=2)
    assert session.ensemble.state == old
    assert isinstance(session.next(), Prediction)
    assert session.ensemble.state == load_bundle(path).digest != old
    session.go(3)
    assert session.kinds() == ["ml_bundle", "ml_bundle"]


def test_going_back_to_an_older_version_is_a_change_too(made: Made, path: Path) -> None:
    session = session_at(path)
    session.next()
    old, name = session.ensemble.state, (path / "current").read_text()
    made.save(path, day=2)
    session.next()
    (path / "current").write_text(name)
    session.next()
    assert session.ensemble.state == old


def damage_member(made: Made, path: Path) -> None:
    member = made.save(path, day=2) / "logistic.skops"
    member.write_bytes(member.read_bytes()[:-1])


def damage_manifest(made: Made, path: Path) -> None:
    (made.save(path, day=2) / "manifest.json").write_text("{}")


def name_nothing(made: Made, path: Path) -> None:
    (path / "current").write_text("20220301T000000Z-0123456789abcdef")


def remove(made: Made, path: Path) -> None:
    shutil.rmtree(path)


def train_for_another_timeframe(made: Made, path: Path) -> None:
    made.save(path, day=2, timeframe="1h")


def train_for_other_exits(made: Made, path: Path) -> None:
    made.save(path, day=2, exits={"stop_loss": 9.0})


def train_on_the_future(made: Made, path: Path) -> None:
    made.save(path, day=2, seen_until=MARKET.closed_at[-1])


def plant_a_member_that_fails(made: Made, path: Path) -> None:
    (member,) = made.ensemble.members
    model = type(member.model)()
    model.fit(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32), np.arange(40) % 2)
    replace(made, ensemble=replace(made.ensemble, members=[replace(member, model=model)])).save(
        path, day=2
    )


DOUBTS: dict[Callable[[Made, Path], None], str] = {
    damage_member: "SHA-256",
    damage_manifest: "SHA-256",
    name_nothing: "must name a version",
    remove: "no bundle there",
    train_for_another_timeframe: "timeframe '1h'",
    train_for_other_exits: "exits",
    train_on_the_future: "still to come",
    plant_a_member_that_fails: "must answer",
}


@pytest.mark.parametrize(("spoil", "why"), DOUBTS.items(), ids=lambda each: str(each)[:20])
def test_on_any_doubt_the_old_version_stays_and_it_is_said_once(
    spoil: Callable[[Made, Path], None], why: str, made: Made, path: Path
) -> None:
    session = session_at(path)
    session.next()
    old = session.ensemble.state
    spoil(made, path)
    opinions = session.go(3 * RETRY_BARS + 1)
    assert all(isinstance(each, Prediction) for each in opinions)
    assert session.ensemble.state == old
    assert session.kinds() == ["ml_bundle", "ml_bundle"]
    assert why in session.events[1].text
    assert "is not taken" in session.events[1].text


def test_a_version_whose_files_arrive_late_is_taken_then(made: Made, path: Path) -> None:
    session = session_at(path)
    session.next()
    version = made.save(path, day=2)
    away = version.rename(path.parent / "away")
    session.next()
    away.rename(version)
    session.go(RETRY_BARS)
    assert session.ensemble.state == load_bundle(path).digest
    assert session.kinds() == ["ml_bundle"] * 3


def test_a_version_that_knows_the_future_is_taken_when_it_is_past(made: Made, path: Path) -> None:
    session = session_at(path)
    session.next()
    made.save(path, day=2, seen_until=MARKET.closed_at[TRAINED + RETRY_BARS])
    session.next()
    assert "still to come" in session.events[1].text
    session.go(RETRY_BARS)
    assert session.ensemble.state == load_bundle(path).digest


def test_a_session_that_began_without_a_bundle_takes_the_first_that_comes(
    made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "later"
    session = session_at(path)
    assert session.next() == Unavailable("none yet")
    assert not caplog.records  # whoever looked for the bundle has said it, with what to do
    assert (session.kinds(), session.ensemble.state) == (["ml_dropped"], "none yet")
    made.save(path)
    assert isinstance(session.next(), Prediction)
    assert session.kinds() == ["ml_dropped", "ml_bundle"]


WRITER = """
import sys
from pathlib import Path
from tests.engine.jobs.live.ensemble_makers import make
made = make()
for day in range(2, 14):
    made.save(Path(sys.argv[1]), day=day)
"""


def test_versions_that_another_process_writes_are_all_whole(path: Path) -> None:
    session = session_at(path)
    root = Path(__file__).resolve().parents[4]
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=root)  # noqa: S603  ours
    now = MARKET.closed_at[TRAINED]
    while writer.poll() is None:
        session.events += session.ensemble.refresh(now)
    session.events += session.ensemble.refresh(now)
    assert writer.returncode == 0
    assert session.ensemble.state == load_bundle(path).digest
    assert {event.text.split()[0] for event in session.events} == {"asking"}
    assert len(session.events) > 2


# Drift


def dropped(path: Path) -> Session:
    """Return a session on a market that has nothing to do with the bundle's, until it drifts."""
    session = session_at(path, WILD, bar=420)
    for _ in range(STRETCH + 1):
        session.next()
    return session


def test_past_the_limit_nothing_is_answered_until_another_version_comes(
    made: Made, path: Path
) -> None:
    session = dropped(path)
    answered = [isinstance(row["probability"], float) for row in session.journal]
    assert answered == [True] * STRETCH + [False]
    assert session.kinds() == ["ml_bundle", "ml_dropped"]
    assert session.ensemble.state.startswith("drift: ")
    assert "features lie further" in session.ensemble.state
    opinion = session.next()
    assert opinion == Unavailable(session.ensemble.state)
    made.save(path, day=2)
    assert isinstance(session.next(), Prediction)
    assert session.kinds() == ["ml_bundle", "ml_dropped", "ml_bundle"]
    assert session.ensemble.state == load_bundle(path).digest


def test_the_market_it_was_made_for_is_no_drift(path: Path) -> None:
    session = session_at(path)
    opinions = session.go(len(MARKET) - TRAINED)
    assert all(isinstance(each, Prediction) for each in opinions)
    assert session.kinds() == ["ml_bundle"]


# Restarts


@pytest.mark.parametrize("killed_after", [1, STRETCH - 1, STRETCH])
def test_a_restart_drops_at_the_same_bar(path: Path, killed_after: int) -> None:
    whole = dropped(path)
    first = session_at(path, WILD, bar=420)
    first.go(killed_after)
    second = session_at(path, WILD, before=first)
    second.go(STRETCH + 1 - killed_after)
    assert second.moments == whole.moments


def test_what_was_given_up_stays_so_over_a_restart(path: Path, made: Made) -> None:
    again = session_at(path, WILD, before=dropped(path))
    assert isinstance(again.next(), Unavailable)
    assert again.ensemble.state.startswith("drift: ")
    made.save(path, day=2)
    third = session_at(path, WILD, before=again)
    assert isinstance(third.next(), Prediction)


def test_answers_of_another_version_do_not_count_after_a_restart(path: Path, made: Made) -> None:
    first = session_at(path, WILD, bar=420)
    first.go(STRETCH - 1)
    made.save(path, day=2)
    second = session_at(path, WILD, before=first)
    opinions = second.go(STRETCH)
    assert all(isinstance(each, Prediction) for each in opinions)
    assert isinstance(second.next(), Unavailable)


def test_nothing_costs_nothing(path: Path, made: Made) -> None:
    session = session_at(path)
    session.go(20)
    now = MARKET.closed_at[session.bar]
    session.ensemble.refresh(now)
    took = []
    for _ in range(300):
        began = perf_counter()
        assert session.ensemble.refresh(now) == ()
        took.append(perf_counter() - began)
    assert np.median(took) < 1e-3
