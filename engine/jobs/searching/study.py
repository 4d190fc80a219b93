"""Which set is tried next, and the record of those that were (Optuna).

Sets are chosen in batches of `BATCH`. A set depends on the seed, on its number and on the trials of
the batches before its own, and on nothing else: so a search that was interrupted goes on as if it
had not been. Each set is entered in the record when it is chosen and once more when it has ended.

Several commands may work on one record, each on the sets that it has chosen. Those of a command
that gives no sign of life any more are taken over by whoever finds that out first. What they find
together depends on who was quicker. If two run a set nevertheless (one was silent and not dead, or
both took it over in the same moment), the record keeps what the quicker one says: it counts once.

The record is whatever Optuna can open: an SQLite file, a PostgreSQL database, a journal file.
"""

import logging
import math
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from engine.errors import RunError
from engine.jobs.searching import signs
from engine.jobs.searching.choosing import (
    BATCH,
    ENDED,
    Grid,
    Known,
    Values,
    as_known,
    distribution,
    entry_of,
    in_memory,
)
from engine.jobs.searching.signs import Signs
from engine.jobs.searching.space import Space
from engine.jobs.searching.trial import Outcome, Trial
from feeds.messages import first_line

log = logging.getLogger("tandem.search")

_NUMBER, _COMMAND = "number", "command"  # of an entry: its set's, and the one that runs it
_OUTCOME, _REFUSED = "outcome", "refused"


class Chosen:
    """A set that is to be run: its number, its values, and its entry in the record."""

    def __init__(self, entry: FrozenTrial, number: int) -> None:
        self.entry, self.number = entry, number
        self.values: Values = entry.params

    @property
    def command(self) -> str:
        """The name of the command that runs it."""
        return str(self.entry.user_attrs.get(_COMMAND, ""))


class Study:
    """The trials of one search in their record.

    Parameters
    ----------
    storage : opened by `opened_storage`
    name : of the search; holds a digest of all that decides its trials
    space : what is tried
    seed : of all choices
    first : tried before all others, if the space is not a grid; None for nothing in particular
    """

    def __init__(
        self, storage: BaseStorage, name: str, space: Space, *, seed: int, first: Values | None
    ) -> None:
        self._space, self._seed, self._first = space, seed, first
        self._spans = {key: distribution(span) for key, span in space.spans.items()}
        self._grid = Grid(space, seed) if space.config.sampler == "grid" else None
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
        self._storage, self._id = storage, self._study._study_id
        self._read: dict[int, Trial] = {}  # what has ended changes no more
        self._signs = Signs(storage, self._id)
        self._known: Known | None = None

    @property
    def most(self) -> float:
        """How many sets there are to try: those of a grid, else infinity."""
        return math.inf if self._grid is None else len(self._grid)

    def trials(self) -> list[Trial]:
        """Return those that have ended.

        Raises
        ------
        RunError
            if what was kept of one is damaged
        """
        entries = self._entries().items()
        return [self._trial(number, entry) for number, entry in entries if entry.state in ENDED]

    def at_work(self) -> AbstractContextManager[None]:
        """Let other commands know, for the length of the block, that this one is alive."""
        return self._signs.given()

    def next(self, total: int) -> list[Chosen]:
        """Return the sets to run next; none when `total` sets, or the whole grid, have ended.

        Waits while it is not sure whether another command is alive, and at the end for the sets
        that others run.
        """
        told = False
        while True:
            if left := self.unended(total):
                return left
            living, running = self._signs.living(), self._running(total)
            unsure = [each for each in running if not living.get(each.command)]
            if not unsure and (chosen := self.choose(total)):
                return chosen
            if not (running or self._running(total)):
                return []
            if not told:
                _tell_of_waiting(len(running), unsure=bool(unsure))
            told = True
            time.sleep(signs.EVERY_SECONDS)

    def unended(self, total: float = math.inf) -> list[Chosen]:
        """Take over the sets below that number whose command died before they had ended."""
        living, taken = self._signs.living(), []
        for each in self._running(total):
            if each.command in living:
                continue
            with suppress(UpdateFinishedTrialError):  # it was not dead, and is quicker
                self._storage.set_trial_user_attr(each.entry._trial_id, _COMMAND, self._signs.own)
                taken.append(each)
        return taken

    def choose(self, total: int) -> list[Chosen]:
        """Return the next sets, at most to the end of their batch, and enter them in the record.

        None if `total` sets were chosen already. Those that another command has chosen at the same
        moment are left to it.
        """
        while True:
            entries = self._entries()
            begin = max(entries, default=-1) + 1
            count = min(BATCH - begin % BATCH, int(min(total, self.most)) - begin)
            if count <= 0:
                return []
            numbers = range(begin, begin + count)
            values = self._proposed(list(entries.values()), numbers)
            mine = [self._enter(*each) for each in zip(numbers, values, strict=True)]
            kept = self._kept_of(mine)
            if len(kept) < count:
                self._known = None  # what was proposed is not what is in the record
            if kept:
                return kept

    def end(self, chosen: Chosen, score: float | None, outcome: Outcome | str) -> None:
        """Enter what a set came to, or why the settings refuse it."""
        trial = chosen.entry._trial_id
        refused = isinstance(outcome, str)
        said = outcome if isinstance(outcome, str) else outcome.to_json()
        try:
            name = _REFUSED if refused else _OUTCOME
            self._storage.set_trial_user_attr(trial, name, said)
            if score is None:
                self._storage.set_trial_state_values(trial, TrialState.PRUNED)
            else:
                self._storage.set_trial_state_values(trial, TrialState.COMPLETE, [score])
        except UpdateFinishedTrialError:
            log.info("set %d was ended by another command", chosen.number)

    def importance(self) -> dict[str, float]:
        """Return how much of what good sets have in common lies in each key; they sum to 1.

        PED-ANOVA (Watanabe, Bansal & Hutter, 2023). Empty where there is too little to tell.
        """
        known = [as_known(entry, ended=True) for entry in self._entries().values()]
        return _importance(known, list(self._spans))

    def _trial(self, number: int, entry: FrozenTrial) -> Trial:
        if entry.number not in self._read:
            try:
                self._read[entry.number] = _trial(number, entry)
            except (ValueError, LookupError, TypeError) as error:
                raise self._damaged(entry, first_line(error)) from error
        return self._read[entry.number]

    def _damaged(self, entry: FrozenTrial, why: str) -> RunError:
        return RunError(
            f"trial {entry.number} of {self._study.study_name} is damaged ({why}): delete the "
            "record, or name another with --storage"
        )

    def _running(self, total: float) -> list[Chosen]:
        """Return the sets below that number that were chosen and have not ended."""
        return [
            Chosen(entry, number)
            for number, entry in self._entries().items()
            if entry.state == TrialState.RUNNING and number < total
        ]

    def _entries(self) -> dict[int, FrozenTrial]:
        """Return the entries by number, in its order.

        Two commands that choose in the same moment enter a number twice: the first entry counts.
        """
        found: dict[int, FrozenTrial] = {}
        for entry in self._study.get_trials(deepcopy=False):
            if entry.state in (*ENDED, TrialState.RUNNING):
                number = entry.user_attrs.get(_NUMBER)
                if not isinstance(number, int):
                    raise self._damaged(entry, f"it has no number, found {number}")
                found.setdefault(number, entry)
        return dict(sorted(found.items()))

    def _proposed(self, entries: Sequence[FrozenTrial], numbers: range) -> list[Values]:
        if self._grid is not None:
            return [self._grid.at(number) for number in numbers]
        if self._known is None:
            self._known = Known(self._spans)
        self._known.learn(entries, before=numbers.start - numbers.start % BATCH)
        return [self._asked(self._known, number) for number in numbers]

    def _asked(self, known: "Known", number: int) -> Values:
        """Return the set of that number; its chance is its own, whoever asks."""
        if number == 0 and self._first is not None:
            return known.take(self._first)
        chance = np.random.SeedSequence([self._seed, number]).generate_state(1)
        return known.ask(int(chance[0]))

    def _enter(self, number: int, values: Values) -> Chosen:
        entry = entry_of(values, self._spans)
        entry.set_user_attr(_NUMBER, number)
        entry.set_user_attr(_COMMAND, self._signs.own)
        entry._trial_id = self._storage.create_new_trial(self._id, entry)
        return Chosen(entry, number)

    def _kept_of(self, mine: Sequence[Chosen]) -> list[Chosen]:
        """Return my sets, less those whose number another command entered before me."""
        kept, entries = [], self._entries()
        for each in mine:
            if entries[each.number]._trial_id == each.entry._trial_id:
                kept.append(each)
                continue
            with suppress(UpdateFinishedTrialError):  # taken over, and run
                self._storage.set_trial_state_values(each.entry._trial_id, TrialState.FAIL)
        return kept


def _importance(known: Sequence[FrozenTrial], among: Sequence[str]) -> dict[str, float]:
    study = in_memory(known)
    compared = [t for t in known if t.state == TrialState.COMPLETE]
    if len({t.value for t in compared}) < 2:
        return {}
    keys = [key for key in among if len({repr(t.params[key]) for t in compared}) > 1]
    if not keys:
        return {}
    from optuna.importance import (  # loads scikit-learn, when all is done
        PedAnovaImportanceEvaluator,
        get_param_importances,
    )

    evaluator = PedAnovaImportanceEvaluator()
    found = get_param_importances(study, evaluator=evaluator, params=keys)
    return {key: float(value) for key, value in found.items()}


def _tell_of_waiting(sets: int, *, unsure: bool) -> None:
    if unsure:
        log.info(
            "another command may be at work on this search: waiting %g s at most for a sign of it",
            signs.PATIENCE_SECONDS,
        )
    else:
        log.info("waiting for the last %d sets, which another command runs", sets)


def _trial(number: int, entry: FrozenTrial) -> Trial:
    said = entry.user_attrs.get(_OUTCOME)
    return Trial(
        number=number,
        values=entry.params,
        score=entry.value if entry.state == TrialState.COMPLETE else None,
        outcome=None if said is None else Outcome.from_json(said),
        refused=str(entry.user_attrs.get(_REFUSED, "")),
    )
