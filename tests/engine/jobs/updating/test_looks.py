"""A look for evidence counts before it decides, whatever becomes of the update."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.jobs import update as update_job
from engine.jobs.updating.decision import Decision
from engine.jobs.updating.history import FILE, lines, looks_at, note, note_look
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.routine import update
from feeds.clock import FixedClock
from ml.bundle_folder import name_in_force, versions
from ml.errors import BundleError
from tests.engine.jobs.update_makers import UNTIL, Given, make_bundle, market, settings_at

MARKETS = [market("BTC/USDT"), market("ETH/USDT")]
NOON = FixedClock(datetime(2022, 3, 2, 12, tzinfo=UTC))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle until UNTIL, that tests must leave as it is."""
    path = tmp_path_factory.mktemp("first") / "bundle"
    make_bundle(path, [bars.known_at(UNTIL) for bars in MARKETS])
    return path


@pytest.fixture
def bundle(first: Path, tmp_path: Path) -> Path:
    """A copy to play with."""
    return Path(shutil.copytree(first, tmp_path / "bundle"))


def raising(error: BaseException) -> Callable[..., Any]:
    def stopped(*_: object, **__: object) -> None:
        raise error

    return stopped


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("save_bundle", BundleError("the disk is full")),
        ("save_bundle", KeyboardInterrupt()),
        ("decide", SystemExit()),
    ],
)
def test_a_look_counts_though_its_update_fails(
    bundle: Path, name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = name_in_force(bundle)
    with monkeypatch.context() as patched:
        patched.setattr(update_job, "decide", lambda *_: Decision(True, "It is better."))
        patched.setattr(update_job, name, raising(error))
        with pytest.raises(type(error)):
            update(Given(MARKETS), settings_at(bundle), clock=NOON)
    assert versions(bundle) == [running] == [name_in_force(bundle)]
    assert looks_at(bundle, running) == 1
    report = update(Given(MARKETS), settings_at(bundle), clock=NOON)
    assert report.traded is not None
    assert report.look == 2
    assert report.traded.intervals.level == pytest.approx(1 - 0.05 / 6)
    assert looks_at(bundle, running) == 2


def test_the_line_of_a_look_stands_before_that_of_its_outcome(bundle: Path) -> None:
    running = name_in_force(bundle)
    update(Given(MARKETS), settings_at(bundle), clock=NOON)
    looked, ended = lines(bundle)
    assert looked == {
        "at": "2022-03-02T12:00:00Z",
        "promote": "evidence",
        "look": 1,
        "level": 0.975,
        "previous": running,
        "in_force": running,
        "outcome": "looked",
        "why": "what it led to says another line",
    }
    assert (ended["outcome"], ended["look"], ended["level"]) == ("kept", 1, 0.975)
    assert looks_at(bundle, running) == 1


def test_a_policy_that_asks_for_no_evidence_takes_no_look(bundle: Path) -> None:
    report = update(Given(MARKETS), settings_at(bundle), promote=Promote.UNLESS_WORSE, clock=NOON)
    assert report.look is None
    assert [line["outcome"] for line in lines(bundle)] == ["promoted"]


def test_where_looks_cannot_be_counted_there_is_no_update_by_evidence(bundle: Path) -> None:
    (bundle / FILE).mkdir()
    source = Given(MARKETS)
    with pytest.raises(BundleError, match="must count its look there, found: Is a directory; "):
        update(source, settings_at(bundle), clock=NOON)
    assert not source.asked  # before the work


def test_a_look_that_finds_no_place_on_the_disk_is_an_error(tmp_path: Path) -> None:
    (tmp_path / FILE).symlink_to("/dev/full")
    with pytest.raises(BundleError, match="found: No space left on device; make it a file"):
        note_look(tmp_path, {"previous": "a", "look": 1})


def test_a_look_that_could_show_nothing_is_not_counted(bundle: Path) -> None:
    running = name_in_force(bundle)
    note(bundle, {"previous": running, "look": 13})
    report = update(Given(MARKETS), settings_at(bundle), clock=NOON)
    assert report.decision.why.endswith(
        "Looked at too often to tell: of 20,000 draws, 4.8 lie beyond the 99.976% of this look at "
        "the running bundle, and it takes 5; train once with the whole history, or update with "
        "--promote unless-worse."
    )
    assert (report.look, report.exit_code) == (None, 3)
    assert looks_at(bundle, running) == 13


def test_looks_are_known_by_their_highest_number(tmp_path: Path) -> None:
    assert looks_at(tmp_path, "a") == 0
    for look in (2, None, "9", 1):
        note(tmp_path, {"previous": "a", "look": look})
    note(tmp_path, {"previous": "b", "look": 7})
    assert looks_at(tmp_path, "a") == 2
