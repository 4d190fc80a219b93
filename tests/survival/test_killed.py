"""`kill -9` at random moments, ML on: the session comes to what it would have come to anyway."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.survival.killing import Hit, assert_unharmed, survive
from tests.survival.process import Kill, When
from tests.survival.recording import Recording
from tests.survival.table import KILLS, RECOVERIES, REHEARSALS, killed, killed_while_it_recovers


def test_a_session_survives_being_killed(recording: Recording, tmp_path: Path) -> None:
    kills = [Kill(When.FILL, 0.01), Kill(When.BAR, 0.15, bars=2)]
    survived = survive(recording.part(480, 24, 0.3), tmp_path, kills)
    assert_unharmed(survived)
    assert survived.found.bars == 2 * (400 + 24)
    assert sum(survived.kills.values()) == len(kills)
    assert survived.held  # the first fill of all is an entry


@pytest.mark.slow
def test_sessions_survive_being_killed_at_two_hundred_moments(
    recording: Recording, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tally = killed(recording, tmp_path)
    record_property("tally", tally)
    assert tally.harm == []
    assert tally.kills.total() == REHEARSALS * KILLS == 200
    assert set(tally.kills) == {When.START, When.BAR, When.FILL}
    assert tally.held >= REHEARSALS * KILLS // 4


@pytest.mark.slow
def test_a_session_survives_being_killed_while_it_recovers(
    recording: Recording, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    tally = killed_while_it_recovers(recording, tmp_path)
    record_property("tally", tally)
    assert tally.harm == []
    assert tally.kills == {When.FILL: RECOVERIES, When.RECOVERY: 4 * RECOVERIES}
    assert tally.hits[Hit.RECOVERING] >= RECOVERIES
