"""A rehearsal that is killed again and again, and started again with the same command."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from engine.jobs.live.parity import Parity, parity
from engine.paper.reading import StateReader
from tests.survival.compared import Compared, compared
from tests.survival.process import Kill, When, drawn_kills, running
from tests.survival.recording import Recording
from tests.survival.reference import live_through


@dataclass(frozen=True, slots=True)
class Survived:
    """What became of a rehearsal.

    Attributes
    ----------
    kills : that met the process alive, by what they waited for
    held : of them, how many came while something was held or an order waited
    """

    kills: Mapping[When, int]
    held: int
    found: Compared
    parity: Parity


def survive(recording: Recording, folder: Path, kills: Iterable[Kill], *more: str) -> Survived:
    """Rehearse, be killed at these moments, and end undisturbed.

    Parameters
    ----------
    more : words of the command, from the first restart on
    """
    state = folder / "session.sqlite"
    met: Counter[When] = Counter()
    held, words = 0, recording.words(state)
    for kill in kills:
        with running(words, state) as command:
            if not command.kill_at(kill):
                break  # the recording is over
        met[kill.when] += 1
        held += is_at_stake(state)
        words = recording.words(state, *more)
    with running(recording.words(state, *more), state) as command:
        ended = command.end()
    assert ended.code == 0, ended.err
    live_through(recording, state, folder / "expected.sqlite")
    return Survived(met, held, compared(state, folder / "expected.sqlite"), parity(state))


def is_at_stake(state: Path) -> bool:
    """Return whether something is held or an order waits, as far as the state says."""
    if not state.exists():
        return False
    with StateReader.open(state) as reader:
        last, checkpoint = reader.moments(last=1), reader.checkpoint()
    if not last:
        return False
    return checkpoint is None or bool(checkpoint.closed_at < last[0].closed_at)


def kills_of(seed: int, most: int, recording: Recording) -> list[Kill]:
    """Return the moments of a seed."""
    return list(islice(drawn_kills(np.random.default_rng(seed), recording.bar_s), most))
