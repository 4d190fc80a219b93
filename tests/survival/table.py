"""What was tried on processes and what it cost: the section of `docs/reliability.md` on them."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.survival import faults
from tests.survival.faults import BARS, CASES, outlive
from tests.survival.killing import Hit, Survived, all_survive, kills_of, survive
from tests.survival.process import Kill, When
from tests.survival.recording import Recording, with_ml, without_ml

REHEARSALS, KILLS, LONG, BAR_S = 4, 50, 360, 0.3
TRIES = 3
OUTAGE, SHORT_OUTAGE = 7, 2  # bars
RECOVERIES = 8  # each of them killed four times


@dataclass(frozen=True, slots=True)
class Row:
    """A case, what the user sees of it, and what it came to."""

    name: str
    shows: str
    tally: "Tally"


@dataclass(slots=True)
class Tally:
    """What some sessions came to.

    Attributes
    ----------
    harm : what differs, in words
    """

    tried: int = 0
    bars: int = 0
    decisions: int = 0
    fills: int = 0
    late: int = 0
    offline: int = 0
    lost: int = 0
    changed: int = 0
    held: int = 0
    kills: Counter[When] = field(default_factory=Counter)
    hits: Counter[Hit] = field(default_factory=Counter)
    harm: list[str] = field(default_factory=list)

    def add(self, survived: Survived) -> None:
        """Count another session."""
        found = survived.found
        self.tried += sum(survived.kills.values()) or 1
        for name in ("bars", "decisions", "fills", "late", "offline", "lost", "changed"):
            setattr(self, name, getattr(self, name) + getattr(found, name))
        self.held += survived.held
        self.kills.update(survived.kills)
        self.hits.update(survived.hits)
        if found.lost or found.changed or found.others:
            self.harm.append(f"{found}")
        if not survived.parity.passed:
            self.harm.append(survived.parity.text())


def killed(recording: Recording, folder: Path) -> Tally:
    """Kill rehearsals at random moments, and let each go on."""
    parts = []
    for seed in range(REHEARSALS):
        part = recording.part(450 + seed * LONG, LONG, BAR_S)
        parts.append((part, kills_of(seed, KILLS, part)))
    return tallied(all_survive(parts, folder))


def killed_while_it_recovers(recording: Recording, folder: Path) -> Tally:
    """Kill a rehearsal right after fills, and then again and again before it trades on."""
    rng = np.random.default_rng(REHEARSALS)
    kills = [
        kill
        for _ in range(RECOVERIES)
        for kill in (
            Kill(When.FILL, 0.05),
            *(Kill(When.RECOVERY, after_s) for after_s in rng.uniform(0.0, 1.5, 4)),
        )
    ]
    part = recording.part(450, LONG, BAR_S)
    return tallied([survive(part, folder, kills, "--outage", str(SHORT_OUTAGE))])


def tallied(survivors: Iterable[Survived]) -> Tally:
    """Return what they came to together."""
    tally = Tally()
    for each in survivors:
        tally.add(each)
    return tally


def left_alone(plain: Recording, folder: Path) -> Tally:
    """Kill rehearsals, and let bars close before each goes on."""
    kills = [Kill(When.FILL, 0.05)] * 2
    parts = _parts(plain, 40, BAR_S)
    return tallied(survive(part, _new(folder), kills, "--outage", str(OUTAGE)) for part in parts)


def rows(plain: Recording, recording: Recording, folder: Path) -> Iterator[Row]:
    """Yield what each case came to."""
    yield Row("`kill -9` at a random moment, with ML", "nothing", killed(recording, _new(folder)))
    yield Row(
        f"`kill -9` after a fill, then four times while it recovers from {SHORT_OUTAGE} bars more",
        "stops and targets filled `offline`, entries `missed`",
        killed_while_it_recovers(recording, _new(folder)),
    )
    yield Row(
        f"`kill -9`, and {OUTAGE} bars close before it is started again",
        "stops and targets filled `offline`, entries `missed`",
        left_alone(plain, folder),
    )
    for case in CASES:
        parts = _parts(plain, BARS, faults.BAR_S)
        tally = tallied(outlive(case, part, _new(folder)) for part in parts)
        yield Row(case.name, case.shows, tally)


TEXT = f"""\
## Processes

Here the session is `run_paper.py` itself, in a process of its own that rehearses a recording of two
symbols, bars of five minutes in {BAR_S:g} or {faults.BAR_S:g} s each. Something happens to the
process, its state or its disk; what was broken is mended and the same command given again, until
the recording is over. What the state has then is compared with the same bars lived through in one
go, without any exchange: every bar, decision, order, fill and refusal, and the equity at each
close; then `--parity` must pass. Which moments came late or offline, and when orders were sent, is
taken from the session that is judged. A further test needs nothing from it: a session that was
killed three times is the one that was not, where bars are long enough that none is late.

`kill -9` came at {REHEARSALS * KILLS} random moments of {REHEARSALS} rehearsals of {LONG} bars with
ML: of each ten two within start-up, five some bars on, three right after a fill.
"""


def section() -> Iterator[str]:
    """Yield the lines of the section, as they are found; figures go to stderr."""
    yield TEXT
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = without_ml(folder)
        yield from table(told(rows(plain, with_ml(plain, folder), folder)))


def told(found: Iterable[Row]) -> Iterator[Row]:
    """Pass the rows on, and say on stderr what they came to."""
    for row in found:
        sys.stderr.write(f"{row.name}: {row.tally}\n")
        yield row


def table(found: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a table in Markdown."""
    yield _line("case", "tried", "bars lost", "decisions changed", "what the user sees")
    yield _line(*["---"] * 5)
    for row in found:
        tally = row.tally
        yield _line(row.name, tally.tried, tally.lost, tally.changed, row.shows)


def _parts(recording: Recording, count: int, bar_s: float) -> list[Recording]:
    return [recording.part(480 + 100 * place, count, bar_s) for place in range(TRIES)]


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def _line(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
