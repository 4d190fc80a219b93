"""Several commands on one record: each runs its own sets, and those of one that died."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.jobs.searching import signs
from engine.jobs.searching.choosing import BATCH, Values
from engine.jobs.searching.looking import Looking, look
from engine.jobs.searching.storage import file_storage, opened_storage
from engine.jobs.searching.study import Chosen, Study
from engine.jobs.searching.sweeping import Sweeps
from engine.jobs.searching.trial import Objective
from engine.jobs.settings import load_settings
from tests.engine.jobs.searching.test_study import FIRST, TPE, merit, outcome, searched
from tests.test_layout import ROOT

TOTAL = 4 * BATCH

# Chooses a batch, says so, and waits to be killed.
AT_WORK = """
import sys, time
from engine.jobs.searching import signs
from tests.engine.jobs.searching.test_together import commands
signs.EVERY_SECONDS = 0.1
with commands(sys.argv[1], 1) as (one,), one.at_work():
    one.choose(16)
    print("chosen", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def address(tmp_path: Path) -> str:
    return file_storage(tmp_path / "trials.sqlite3")


@contextmanager
def commands(address: str, count: int) -> Iterator[list[Study]]:
    """Open one record as several commands do."""
    if count == 0:
        yield []
        return
    with opened_storage(address) as storage, commands(address, count - 1) as others:
        yield [Study(storage, "s", TPE, seed=5, first=FIRST), *others]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let signs come and be missed soon."""
    monkeypatch.setattr(signs, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(signs, "PATIENCE_SECONDS", 3.0)


def run(study: Study, chosen: Sequence[Chosen]) -> list[str]:
    """End these sets; return them as words."""
    for each in chosen:
        value = merit(dict(each.values))
        study.end(each, value, outcome(value))
    return [repr(each.values) for each in chosen]


def run_all(study: Study) -> list[str]:
    """Search to the end; return the sets that this command ran."""
    found: list[str] = []

    class AtOnce(Looking):
        def run(self, chosen: Sequence[Chosen], study: Study) -> None:
            found.extend(run(study, chosen))

    settings = load_settings()
    looking = AtOnce(settings, TPE, Objective.EXPECTANCY, Sweeps([], settings, None))
    assert len(look(looking, study, TOTAL, lambda _: None)) == TOTAL
    return found


def test_two_commands_on_one_record_share_the_sets(shared: str) -> None:
    with commands(shared, 2) as (one, other):
        mine = one.choose(TOTAL)
        its = other.choose(TOTAL)
        assert {repr(each.values) for each in mine}.isdisjoint({repr(e.values) for e in its})
        run(one, mine)
        # The other command dies here; what it had chosen is run by the one that is left.
        found = searched(one, TOTAL)
        assert len(found) == TOTAL
        assert [chosen.values for chosen in its if dict(chosen.values) not in found] == []
        other.end(its[0], 9.0, outcome(9.0))  # it was dead: what it says late changes nothing
        assert max(trial.score or 0.0 for trial in one.trials()) <= 0.0


@pytest.mark.usefixtures("quick")
def test_what_a_living_command_has_chosen_is_left_to_it_to_the_end(shared: str) -> None:
    with commands(shared, 2) as (one, other), ThreadPoolExecutor() as pool, one.at_work():
        mine = one.choose(TOTAL)
        beside = pool.submit(run_all, other)
        _until(lambda: len(other.trials()) == TOTAL - BATCH)
        time.sleep(1.5 * signs.PATIENCE_SECONDS)  # it has nothing left to choose, and waits
        assert not beside.done()
        ran = run(one, mine)
        its = beside.result(timeout=60)
        assert len(its) == TOTAL - BATCH
        assert set(its).isdisjoint(ran)
        assert len(other.trials()) == len(one.trials()) == TOTAL


@pytest.mark.usefixtures("quick")
def test_two_that_search_at_once_run_each_set_once(address: str) -> None:
    with commands(address, 2) as both, ThreadPoolExecutor() as pool:
        one, other = pool.map(run_all, both)
        assert set(one).isdisjoint(other)
        assert len(one) + len(other) == TOTAL == len(both[0].trials())


@pytest.mark.usefixtures("quick")
def test_what_a_killed_command_had_chosen_is_taken_over_by_one(shared: str) -> None:
    with commands(shared, 3) as (whole, one, other):
        words = [sys.executable, "-c", AT_WORK, shared]
        with subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True) as killed:  # noqa: S603  our own words
            assert killed.stdout is not None
            assert killed.stdout.readline() == "chosen\n"
            assert one.unended() == []
            killed.kill()
        with one.at_work():
            taken = one.next(BATCH)
            assert [each.number for each in taken] == list(range(BATCH))
            assert [each.number for each in other.next(TOTAL)] == list(range(BATCH, 2 * BATCH))
        assert len(whole.unended()) == 2 * BATCH  # that one is gone, and gives no sign


def _until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.05)


class _Late(Study):
    """A command that is slow between choosing and entering: another one does its part there."""

    meanwhile: Callable[[], object] | None = None

    def _enter(self, number: int, values: Values) -> Chosen:
        if self.meanwhile is not None:
            does, self.meanwhile = self.meanwhile, None
            does()
        return super()._enter(number, values)


def test_who_loses_a_batch_to_another_command_chooses_the_next(address: str) -> None:
    with commands(address, 1) as (one,), opened_storage(address) as storage:
        late, quicker = _Late(storage, "s", TPE, seed=5, first=FIRST), list[Chosen]()
        late.meanwhile = lambda: quicker.extend(one.choose(TOTAL))
        chosen = late.choose(TOTAL)
        assert [each.number for each in quicker] == list(range(BATCH))
        assert [each.number for each in chosen] == list(range(BATCH, 2 * BATCH))
        assert len(run(one, quicker) + run(late, chosen)) == len(one.trials()) == 2 * BATCH


def test_a_set_that_was_entered_twice_and_ended_meanwhile_counts_once(address: str) -> None:
    with commands(address, 2) as (one, other):
        mine = one.choose(BATCH)
        again = [other._enter(each.number, each.values) for each in mine]
        run(one, mine)
        run(one, again[:3])
        assert other._kept_of(again) == []
        assert len(one.trials()) == BATCH


def test_sets_that_two_commands_choose_in_the_same_moment_are_run_by_one(address: str) -> None:
    with commands(address, 2) as (one, other):
        mine = one.choose(BATCH)
        again = [other._enter(each.number, each.values) for each in mine]
        assert other._kept_of(again) == []
        assert len(one._entries()) == BATCH
