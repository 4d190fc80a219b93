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
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import OptunaError, StorageInternalError, UpdateFinishedTrialError
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import RunError
from engine.jobs.searching.space import Space
from engine.jobs.searching.trial import Outcome, Trial
from engine.jobs.searching.values import Choice, Given, Span
from feeds.messages import first_line

log = logging.getLogger("tandem.search")

Values: TypeAlias = Mapping[str, Choice]

BATCH = 16  # sets that are chosen without knowing of each other
MOST_OF_A_GRID = 1_000_000
JOURNAL = "journal:"
_DRAWN = 2 * BATCH  # sets drawn at random before what they showed is used
_OUTCOME, _REFUSED, _GIVEN_UP = "outcome", "refused", "given_up"
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_FAILURES = (
    OptunaError,
    SQLAlchemyError,
    sqlite3.Error,
    OSError,
    ImportError,
    ValueError,
    LookupError,
    TypeError,
    RuntimeError,
)

optuna.logging.disable_default_handler()  # what there is to say is said here
optuna.logging.set_verbosity(optuna.logging.ERROR)


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
        self._spans = {key: _distribution(span) for key, span in space.spans.items()}
        self._grid = _Grid(space, seed) if space.config.sampler == "grid" else None
        self._study = optuna.create_study(
            storage=storage, study_name=name, direction="maximize", load_if_exists=True
        )
        self._storage, self._id = storage, self._study._study_id
        self._read: dict[int, Trial] = {}  # what has ended changes no more

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
        return [self._trial(number, entry) for number, entry in entries if entry.state in _ENDED]

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
        before = begin - begin % BATCH
        history = [_as_known(entry, ended=n < before) for n, entry in enumerate(entries)]
        values = self._proposed(history, range(begin, begin + count))
        mine = {self._enter(each) for each in values}
        seen = {entry.number for entry in entries}
        return self._kept_of(mine, seen)

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
        known = [_as_known(entry, ended=True) for entry in self._entries()]
        study = _in_memory(known)
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
        return [each for each in found if each.state in (*_ENDED, TrialState.RUNNING)]

    def _proposed(self, history: Sequence[FrozenTrial], numbers: range) -> list[Values]:
        if self._grid is not None:
            return [self._grid.at(number) for number in numbers]
        study = _in_memory(history)
        return [self._asked(study, number) for number in numbers]

    def _asked(self, study: optuna.Study, number: int) -> Values:
        """Return the set of that number; its chance is its own, whoever asks."""
        if number == 0 and self._first is not None:
            study.add_trial(_entry(self._first, self._spans))
            return self._first
        chance = np.random.SeedSequence([self._seed, number]).generate_state(1)
        study.sampler = TPESampler(
            seed=int(chance[0]), n_startup_trials=_DRAWN, multivariate=True, constant_liar=True
        )
        values: Values = study.ask(self._spans).params
        return values

    def _enter(self, values: Values) -> int:
        entry: int = self._storage.create_new_trial(self._id, _entry(values, self._spans))
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


class _Grid:
    """Every combination of the values of a space, in an order that the seed shuffles."""

    def __init__(self, space: Space, seed: int) -> None:
        self._keys, self._values = list(space.spans), []
        for key, span in space.spans.items():
            values = span.values()
            if values is None:
                raise RunError(
                    f"{key}: a grid needs a step or choices for each key, found "
                    f'{span.to_json()}; give one, or take sampler = "tpe"'
                )
            self._values.append(values)
        size = math.prod(map(len, self._values))
        if size > MOST_OF_A_GRID:
            raise RunError(
                f"a grid may have {MOST_OF_A_GRID:,} sets, found {size:,}: give fewer values, or "
                'take sampler = "tpe"'
            )
        self._order = np.random.default_rng([seed, 0]).permutation(size)

    def __len__(self) -> int:
        return len(self._order)

    def at(self, number: int) -> Values:
        """Return the set of that number."""
        places = np.unravel_index(self._order[number], [len(each) for each in self._values])
        chosen = zip(self._keys, self._values, places, strict=True)
        return {key: values[int(place)] for key, values, place in chosen}


def _in_memory(history: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    study.add_trials(history)
    return study


def _as_known(entry: FrozenTrial, *, ended: bool) -> FrozenTrial:
    """Return an entry as the choice of a batch knows it: without what came of its own batch."""
    state = entry.state if ended else TrialState.RUNNING
    return create_trial(
        state=state,
        value=entry.value if state == TrialState.COMPLETE else None,
        params=entry.params,
        distributions=entry.distributions,
    )


def _entry(values: Values, spans: Mapping[str, BaseDistribution]) -> FrozenTrial:
    return create_trial(state=TrialState.RUNNING, params=dict(values), distributions=dict(spans))


def _trial(number: int, entry: FrozenTrial) -> Trial:
    said = entry.user_attrs.get(_OUTCOME)
    return Trial(
        number=number,
        values=entry.params,
        score=entry.value if entry.state == TrialState.COMPLETE else None,
        outcome=None if said is None else Outcome.from_json(said),
        refused=str(entry.user_attrs.get(_REFUSED, "")),
    )


def _distribution(span: Given) -> BaseDistribution:
    if not isinstance(span, Span):
        return CategoricalDistribution(span.choices)
    if span.whole:
        step = 1 if span.step is None else int(span.step)
        return IntDistribution(int(span.low), int(span.high), log=span.log, step=step)
    return FloatDistribution(span.low, span.high, log=span.log, step=span.step)


def _key(values: Values) -> str:
    return json.dumps(values, sort_keys=True)


# The record


def file_storage(path: Path) -> str:
    """Return the address of an SQLite file."""
    return f"sqlite:///{quote(str(path.absolute()))}"


@contextmanager
def opened_storage(address: str) -> Iterator[BaseStorage]:
    """Open the record at an address, and close it at the end of the block.

    Raises
    ------
    RunError
        if it cannot be opened, or fails in the block
    """
    try:
        storage = _opened(address)
    except _FAILURES as error:
        raise _unusable(address, error) from error
    try:
        yield storage
    except (SQLAlchemyError, StorageInternalError) as error:
        raise _unusable(address, error) from error
    finally:
        if isinstance(storage, RDBStorage):
            storage.remove_session()
            storage.engine.dispose()


def _opened(address: str) -> BaseStorage:
    if address.startswith(JOURNAL):
        path = Path(address.removeprefix(JOURNAL))
        path.parent.mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(path)))
    if not address.startswith("sqlite:"):
        return RDBStorage(address)
    path = Path(address.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    storage = RDBStorage(address, engine_kwargs={"connect_args": {"timeout": 60}})
    event.listen(storage.engine, "connect", _quickly)
    storage.engine.dispose()
    return storage


def _quickly(connection: Any, _record: Any) -> None:
    """Let SQLite write ahead: a machine that dies loses the last trials, and never the file."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")


def _unusable(address: str, error: Exception) -> RunError:
    kind, _, rest = address.partition("://")
    place = f"{kind}://…@{rest.rpartition('@')[2]}" if "@" in rest else address
    return RunError(
        f"{place}: the trials of a search are kept in an SQLite file (sqlite:///FILE), a database "
        f"(postgresql://…) or a journal (journal:FILE) that can be written, found: "
        f"{first_line(error)}"
    )
