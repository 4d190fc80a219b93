"""`kill -9` at random moments, ML on: the session comes to what it would have come to anyway."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.survival.killing import Survived, kills_of, survive
from tests.survival.process import Kill, When
from tests.survival.recording import Recording

AT_ONCE = 2  # rehearsals: as many as there are cores anywhere
REHEARSALS, KILLS, BARS, BAR_S = 4, 50, 300, 0.3


def assert_unharmed(survived: Survived) -> None:
    """Nothing was lost, nothing was decided, traded or held otherwise, and all is explained."""
    found = survived.found
    assert (found.lost, found.changed, found.others) == (0, 0, {})
    assert found.decisions
    assert survived.parity.passed, survived.parity.text()


def all_survive(
    parts: list[tuple[Recording, list[Kill]]], folder: Path, *more: str
) -> list[Survived]:
    """Rehearse the parts, some at a time."""

    def one(place: int) -> Survived:
        part, kills = parts[place]
        (folder / str(place)).mkdir()
        return survive(part, folder / str(place), kills, *more)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(len(parts))))


def test_a_session_survives_being_killed(recording: Recording, tmp_path: Path) -> None:
    kills = [
        [Kill(When.FILL, 0.01), Kill(When.START, 1.5), Kill(When.BAR, 0.15, bars=2)],
        [Kill(When.BAR, 0.0, bars=3), Kill(When.FILL, 0.0), Kill(When.FILL, 0.2)],
    ]
    parts = [(recording.part(480 + 100 * place, 30, 0.3), kills[place]) for place in range(2)]
    survivors = all_survive(parts, tmp_path)
    for each in survivors:
        assert_unharmed(each)
        assert each.found.bars == 2 * (400 + 30)
    assert sum(sum(each.kills.values()) for each in survivors) >= 4  # the others came too late
    assert sum(each.held for each in survivors) >= 2


@pytest.mark.slow
def test_sessions_survive_being_killed_at_two_hundred_moments(
    recording: Recording, tmp_path: Path
) -> None:
    parts = []
    for seed in range(REHEARSALS):
        part = recording.part(450 + seed * BARS, BARS, BAR_S)
        parts.append((part, kills_of(seed, KILLS, part)))
    survivors = all_survive(parts, tmp_path)
    for each in survivors:
        assert_unharmed(each)
    met = sum((Counter(each.kills) for each in survivors), Counter[When]())
    assert met.total() == REHEARSALS * KILLS
    assert set(met) == set(When)
    assert sum(each.held for each in survivors) >= REHEARSALS * KILLS // 4
