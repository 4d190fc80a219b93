"""A session that was killed beside one that nothing ever happened to, both by the command line."""

from pathlib import Path

import pytest

from tests.survival.compared import compared
from tests.survival.killing import go_on, survive
from tests.survival.process import Kill, When
from tests.survival.recording import Recording

BARS = 40
# Real seconds of a bar: in a longer one nothing is late even where the machine is busy.
TRIED = (0.4, 0.8, 1.6)
KILLS = (Kill(When.BAR, 0.1, bars=3), Kill(When.FILL, 0.02), Kill(When.FILL, 0.1))


@pytest.mark.slow
def test_a_killed_session_is_the_undisturbed_one(recording: Recording, tmp_path: Path) -> None:
    for bar_s in TRIED:
        calm, killed = tmp_path / f"{bar_s}.sqlite", tmp_path / f"{bar_s}" / "session.sqlite"
        killed.parent.mkdir()
        part = recording.part(480, BARS, bar_s)
        go_on(part.words(calm), calm)
        survived = survive(part, killed.parent, KILLS)
        if compared(calm, killed).late == survived.found.late == 0:
            break
    else:
        pytest.fail(f"bars were late even at {TRIED[-1]} s each")
    assert sum(survived.kills.values()) == len(KILLS)
    for one, other in ((killed, calm), (calm, killed)):
        found = compared(one, other)
        assert (found.late, found.offline) == (0, 0)
        assert (found.lost, found.changed, found.others) == (0, 0, {})
        assert found.fills >= 4
