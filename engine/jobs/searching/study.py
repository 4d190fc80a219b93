"""Which set is tried next, and the record of those that were (Optuna).

Sets are chosen in batches of `BATCH`. A set depends on the seed, on its number and on the trials of
the batches before its own, and on nothing else: so a search that was interrupted goes on as if it
had not been. Each set is entered in the record when it is chosen and once more when it has ended;
those that never ended, being another command's that died, are run by whoever finds nothing else to
do. Several commands may work on one record. What they find together depends on who was quicker.

The record is whatever Optuna can open: an SQLite file, a PostgreSQL database, a journal file.
"""

import json
import logging
import math
from collections.abc import Sequence

import numpy as np
import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from engine.errors import RunError
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
from engine.jobs.searching.space import Space
from engine.jobs.searching.trial import Outcome, Trial
from feeds.messages import first_line

log = logging.getLogger("tandem.search")

_OUTCOME, _REFUSED, _GIVEN_UP = "outcome", "refused", "given_up"


class Chosen:
    """A set that is to be run: its number, its values, and its entry in the record."""

    def __init__(self, entry: FrozenTrial, number: int) -> None:
        self.entry, self.number = entry, number
        self.values: Values = entry.params


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
        entries = enumerate(self._entries())
        return [self._trial(number, entry) for number, entry in entries if entry.state in ENDED]

    def unended(self) -> list[Chosen]:
        """Return the sets that were chosen and have not ended."""
        entries = enumerate(self._entries())
        return [Chosen(entry, n) for n, entry in entries if entry.state == TrialState.RUNNING]

    def choose(self, total: int) -> list[Chosen]:
        """Return the next sets, at most to the end of their batch, and enter them in the record.

        None if `total` sets were chosen already. Those that another command has chosen at the same
        moment are left to it.
        """
        entries = self._entries()
        begin = len(entries)
        count = min(BATCH - begin % BATCH, int(min(total, self.most)) - begin)
        if count <= 0:
            return []
        values = self._proposed(entries, range(begin, begin + count))
        mine = {self._enter(each) for each in values}
        kept = self._kept_of(mine, {entry.number for entry in entries})
        if len(kept) < count:
            self._known = None  # what was proposed is not what is in the record
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
        known = [as_known(entry, ended=True) for entry in self._entries()]
        study = in_memory(known)
        compared = [t for t in known if t.state == TrialState.COMPLETE]
        if len({t.value for t in compared}) < 2:
            return {}
        keys = [key for key in self._spans if len({repr(t.params[key]) for t in compared}) > 1]
        if not keys:
            return {}
        from optuna.importance import (  # loads scikit-learn, when all is done
            PedAnovaImportanceEvaluator,
            get_param_importances,
        )

        evaluator = PedAnovaImportanceEvaluator()
        found = get_param_importances(study, evaluator=evaluator, params=keys)
        return {key: float(value) for key, value in found.items()}

    def _trial(self, number: int, entry: FrozenTrial) -> Trial:
        if entry.number not in self._read:
            try:
                self._read[entry.number] = _trial(number, entry)
            except (ValueError, LookupError, TypeError) as error:
                raise RunError(
                    f"trial {entry.number} of {self._study.study_name} is damaged "
                    f"({first_line(error)}): delete the record, or name another with --storage"
                ) from error
        return self._read[entry.number]

    def _entries(self) -> list[FrozenTrial]:
        """Return the entries that count, in their order: a place among them is a number."""
        found = self._study.get_trials(deepcopy=False)
        return [each for each in found if each.state in (*ENDED, TrialState.RUNNING)]

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

    def _enter(self, values: Values) -> int:
        entry: int = self._storage.create_new_trial(self._id, entry_of(values, self._spans))
        return entry

    def _kept_of(self, mine: set[int], seen: set[int]) -> list[Chosen]:
        """Return my sets, less those that another command entered since and before me."""
        kept, others = [], set()
        for number, entry in enumerate(self._entries()):
            if entry.number in seen:
                continue
            if entry._trial_id not in mine:
                others.add(_key(entry.params))
            elif _key(entry.params) in others:
                self._storage.set_trial_user_attr(entry._trial_id, _GIVEN_UP, "another's")
                self._storage.set_trial_state_values(entry._trial_id, TrialState.FAIL)
            else:
                kept.append(Chosen(entry, number))
        return kept


def _trial(number: int, entry: FrozenTrial) -> Trial:
    said = entry.user_attrs.get(_OUTCOME)
    return Trial(
        number=number,
        values=entry.params,
        score=entry.value if entry.state == TrialState.COMPLETE else None,
        outcome=None if said is None else Outcome.from_json(said),
        refused=str(entry.user_attrs.get(_REFUSED, "")),
    )


def _key(values: Values) -> str:
    return json.dumps(values, sort_keys=True)
