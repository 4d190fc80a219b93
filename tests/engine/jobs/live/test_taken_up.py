"""Whom a session asks when it goes on, and what it has read of its record for that."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from engine.jobs.live.ensemble import DRIFT, RESTORED, LiveEnsemble
from engine.jobs.live.taken_up import first_asked, last_answers
from engine.jobs.serving import MLMode
from engine.paper.health import SHORT_DIGEST
from engine.paper.state import PaperState
from ml.analyzer import Analyzer
from ml.bundle import load_bundle
from ml.errors import BundleError
from ml.prediction import Prediction, Unavailable
from strategies.views import NoEnsemble
from tests.engine.jobs.live.ensemble_makers import (
    FIVE_MINUTES,
    MARKET,
    TRAINED,
    Made,
    Session,
    make,
    settings_at,
)
from tests.engine.jobs.live.test_ensemble import DOUBTS, remove
from tests.engine.paper.state_makers import make_line, make_market, make_moment, make_state

KEPT = make_market(80)


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


@pytest.fixture
def path(made: Made, tmp_path: Path) -> Path:
    """A bundle of one version."""
    made.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


def keep(path: Path, asked: Sequence[str]) -> None:
    """Keep moments at which these were asked."""
    with make_state(path, KEPT) as state:
        for number, ml in enumerate(asked):
            state.commit(make_moment(KEPT, number, ml=ml))


def gone_on(path: Path, state: Path, mode: MLMode = MLMode.ON) -> Session:
    """Return a session on the bundle that goes on after its record."""
    settings = settings_at(path)
    first = first_asked(settings, FIVE_MINUTES, mode, state)
    assert first is not None
    session = Session(MARKET, TRAINED)
    session.ensemble = LiveEnsemble(settings, FIVE_MINUTES, first, session.bars_of)
    with PaperState.resume(state) as kept:
        session.ensemble.restore(*last_answers(kept.reader))
    return session


@pytest.mark.parametrize("mode", [MLMode.ON, MLMode.AUTO])
@pytest.mark.parametrize(
    ("spoil", "why"),
    [each for each in DOUBTS.items() if each[0] is not remove],
    ids=lambda each: str(each)[:20],
)
def test_on_any_doubt_the_old_version_stays_over_a_restart(
    spoil: Callable[[Made, Path], None], why: str, mode: MLMode, made: Made, path: Path, state: Path
) -> None:
    old = load_bundle(path).digest
    keep(state, [old, old, "the version in force is damaged"])
    spoil(made, path)
    session = gone_on(path, state, mode)
    assert all(isinstance(each, Prediction) for each in session.go(3))
    assert session.ensemble.state == old
    assert session.kinds() == ["ml_bundle", "ml_bundle"]
    assert old[:SHORT_DIGEST] in session.events[0].text
    assert why in session.events[1].text
    assert "is not taken" in session.events[1].text


def test_a_version_that_came_in_the_meantime_is_asked_from_the_first_bar_on(
    made: Made, path: Path, state: Path
) -> None:
    old = load_bundle(path).digest
    keep(state, [old])
    made.save(path, day=2)
    session = gone_on(path, state)
    assert isinstance(session.next(), Prediction)
    assert session.ensemble.state == load_bundle(path).digest != old
    assert f"before: bundle {old[:SHORT_DIGEST]}" in session.events[1].text


def test_where_the_old_version_is_gone_the_one_in_force_is_asked(
    made: Made, path: Path, state: Path
) -> None:
    keep(state, ["3f" * 32])
    assert gone_on(path, state).ensemble.state == load_bundle(path).digest


@pytest.mark.parametrize("asked", [[], ["none yet"], ["3f" * 32]])
def test_where_nobody_can_be_asked_that_is_said(
    asked: list[str], made: Made, path: Path, state: Path
) -> None:
    keep(state, asked)
    remove(made, path)
    settings = settings_at(path)
    with pytest.raises(BundleError, match="no bundle there"):
        first_asked(settings, FIVE_MINUTES, MLMode.ON, state)
    found = first_asked(settings, FIVE_MINUTES, MLMode.AUTO, state)
    assert isinstance(found, NoEnsemble)
    assert first_asked(settings, FIVE_MINUTES, MLMode.OFF, state) is None


def test_before_there_is_a_state_the_version_in_force_is_asked(path: Path, state: Path) -> None:
    found = first_asked(settings_at(path), FIVE_MINUTES, MLMode.ON, state)
    assert isinstance(found, Analyzer)
    assert found.digest == load_bundle(path).digest


def test_what_was_given_up_is_not_taken_up_for_a_damaged_version(
    made: Made, path: Path, state: Path
) -> None:
    old = load_bundle(path).digest
    keep(state, [old, f"{DRIFT}all of it (bundle {old[:SHORT_DIGEST]})"])
    (path / "current").write_text("nothing")
    session = gone_on(path, state)
    assert isinstance(session.next(), Unavailable)
    assert session.ensemble.state.startswith(DRIFT)


@pytest.mark.parametrize("share", [0, 1, 3, 50])
def test_of_a_long_record_the_end_is_read_that_counts(share: int, state: Path) -> None:
    """One of so many rows was answered; 0 for none."""
    told = [
        [make_line(moment.closed_at, f"S{n}/USDT", ml=_answered(n, share)) for n in range(100)]
        for moment in (make_moment(KEPT, number) for number in range(80))
    ]
    with make_state(state, KEPT) as kept:
        for number, rows in enumerate(told):
            kept.commit(make_moment(KEPT, number, decisions=rows, ml=f"{number}"))
        moments, read = last_answers(kept.reader)
    everything = [row for rows in told for row in rows]
    answered = [row for row in everything if row["ml"] == "answered"][-RESTORED:]
    found = [row for row in read if row["ml"] == "answered"][-RESTORED:]
    assert [(row["symbol"], row["decided_at"]) for row in found] == [
        (row["symbol"], row["decided_at"]) for row in answered
    ]
    assert {row["decided_at"] for row in read} == {at for at, _ in moments}
    assert [ml for _, ml in moments] == [f"{number}" for number in range(80)][-len(moments) :]
    if share in (1, 3):
        assert len(read) <= 4 * RESTORED < len(everything)


def _answered(number: int, share: int) -> str:
    return "answered" if share and number % share == 0 else "not_asked"


def test_of_a_record_without_decisions_the_last_moment_is_read(state: Path) -> None:
    keep(state, ["one", "two"])
    with PaperState.resume(state) as kept:
        moments, rows = last_answers(kept.reader)
    assert ([ml for _, ml in moments], rows) == (["two"], [])
