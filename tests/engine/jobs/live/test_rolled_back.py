"""A running session follows a rollback, at the next bar and not before."""

from pathlib import Path

import pytest

import train_ml_ensemble
from ml.bundle import load_bundle
from ml.prediction import Prediction
from tests.engine.jobs.live.ensemble_makers import Made, Session, make, session_at


@pytest.fixture(scope="module")
def made() -> Made:
    return make()


@pytest.fixture
def path(made: Made, tmp_path: Path) -> Path:
    """A bundle whose second version has replaced the first one."""
    for day in (1, 2):
        made.save(tmp_path / "bundle", day=day)
    return tmp_path / "bundle"


def roll_back(path: Path) -> str:
    """Give the command, and return the digest of what is in force then."""
    assert train_ml_ensemble.main(["--rollback", "--output", str(path), "--quiet"]) == 0
    return load_bundle(path).digest


def check_answers(session: Session, digest: str) -> None:
    assert isinstance(session.next(), Prediction)
    assert session.ensemble.state == session.moments[-1][1] == digest


def test_a_rollback_is_followed_from_the_next_bar_on(made: Made, path: Path) -> None:
    newer = load_bundle(path).digest
    session = session_at(path)
    check_answers(session, newer)
    older = roll_back(path)
    assert older != newer == session.ensemble.state  # what is decided at one bar is of one bundle
    check_answers(session, older)
    session.go(2)
    assert session.kinds() == ["ml_bundle", "ml_bundle"]
    asked, before = session.events[-1].text.split("before: ")
    assert older[:12] in asked
    assert newer[:12] in before
    made.save(path, day=3)  # the next update
    check_answers(session, load_bundle(path).digest)


def test_a_session_that_goes_on_after_a_rollback_asks_what_is_in_force(path: Path) -> None:
    before = session_at(path)
    before.go(3)
    older = roll_back(path)
    session = session_at(path, before=before)
    check_answers(session, older)


def test_the_way_back_is_open_where_the_version_in_force_is_damaged(path: Path) -> None:
    session = session_at(path)
    newer = load_bundle(path)
    (newer.kept.version / "logistic.skops").write_bytes(b"")
    check_answers(session, newer.digest)  # a session has it in memory
    check_answers(session, roll_back(path))
