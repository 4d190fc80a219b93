"""A rehearsal that is killed again and again, and started again with the same command."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from pathlib import Path

import numpy as np

from engine.jobs.live.parity import Parity, parity
from engine.paper.reading import StateReader
from tests.survival.compared import Compared, compared
from tests.survival.process import Command, Kill, When, drawn_kills, rows_in, running
from tests.survival.recording import Recording
from tests.survival.reference import live_through

AT_ONCE = 2  # rehearsals: as many as there are cores anywhere


class Hit(Enum):
    """What a process was at when it was killed."""

    LOADING = "while it loaded"
    RECOVERING = "while it replayed its record and opened its feed"
    CATCHING_UP = "while it caught up with bars that had closed"
    TRADING = "while it traded"


@dataclass(frozen=True, slots=True)
class Survived:
    """What became of a rehearsal.

    Attributes
    ----------
    kills : that met the process alive, by what they waited for
    hits : the same, by what it was at
    held : of them, how many came while something was held or an order waited
    """

    found: Compared
    parity: Parity
    kills: Mapping[When, int] = field(default_factory=dict)
    hits: Mapping[Hit, int] = field(default_factory=dict)
    held: int = 0


def survive(recording: Recording, folder: Path, kills: Iterable[Kill], *more: str) -> Survived:
    """Rehearse, be killed at these moments, and end undisturbed.

    Parameters
    ----------
    more : words of the command, from the first restart on
    """
    state = folder / "session.sqlite"
    met: Counter[When] = Counter()
    hits: Counter[Hit] = Counter()
    held, words = 0, recording.words(state)
    for kill in kills:
        before = rows_in(state, "moments")
        with running(words, state) as command:
            if not command.kill_at(kill):
                break  # the recording is over
        met[kill.when] += 1
        hits[_hit(command, state, before)] += 1
        held += is_at_stake(state)
        words = recording.words(state, *more)
    go_on(words, state)
    found, proved = judged(recording, state)
    return Survived(found, proved, met, hits, held)


def go_on(words: Sequence[str], state: Path) -> None:
    """Go on with a session until its recording is over."""
    with running(words, state) as command:
        ended = command.end()
    assert ended.code == 0, ended.err


def judged(recording: Recording, state: Path) -> tuple[Compared, Parity]:
    """Compare a session that is over with what it should have come to, and prove it."""
    expected = state.with_name("expected.sqlite")
    live_through(recording, state, expected)
    return compared(state, expected), parity(state)


def all_survive(
    parts: Sequence[tuple[Recording, Sequence[Kill]]], folder: Path
) -> Sequence[Survived]:
    """Rehearse the parts, some at a time."""

    def one(place: int) -> Survived:
        part, kills = parts[place]
        (folder / str(place)).mkdir()
        return survive(part, folder / str(place), kills)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(len(parts))))


def assert_unharmed(survived: Survived) -> None:
    """Nothing was lost, nothing was decided, traded or held otherwise, and all is explained."""
    found = survived.found
    assert (found.lost, found.changed, found.others) == (0, 0, {})
    assert found.decisions
    assert survived.parity.passed, survived.parity.text()


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


def _hit(command: Command, state: Path, before: int) -> Hit:
    """Return what a process was at that has been killed; it found so many moments."""
    if not state.exists():
        return Hit.LOADING
    with StateReader.open(state) as reader:
        health = reader.health()
        moments = reader.moments()
        if len(moments) > before:
            return Hit.CATCHING_UP if moments[-1].offline else Hit.TRADING
    return Hit.RECOVERING if health and health["pid"] == command.pid else Hit.LOADING
