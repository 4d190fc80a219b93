"""How the next set is chosen: by what earlier batches have shown, or the next one of a grid."""

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from engine.errors import RunError
from engine.jobs.searching.space import Space
from engine.jobs.searching.values import Choice, Given, Span

Values: TypeAlias = Mapping[str, Choice]

BATCH = 16  # sets that are chosen without knowing of each other
MOST_OF_A_GRID = 1_000_000
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
_DRAWN = 2 * BATCH  # sets drawn at random before what they showed is used

optuna.logging.disable_default_handler()  # what there is to say is said here
optuna.logging.set_verbosity(optuna.logging.ERROR)


class Known:
    """What a choice knows: the trials of earlier batches, and which sets its own batch has.

    The place of a trial is its number. What came of its own batch is not known, even where it is
    there: else a search that goes on would choose otherwise than one that was not interrupted.
    """

    def __init__(self, spans: Mapping[str, BaseDistribution]) -> None:
        self._spans = dict(spans)
        self._study = in_memory([])
        self._open: dict[int, int] = {}  # by number, the trials that are not known to have ended

    def learn(self, entries: Sequence[FrozenTrial], *, before: int) -> None:
        """Take in the record; what has ended counts below the number `before`."""
        for number, entry in enumerate(entries):
            ended = entry.state in ENDED and number < before
            if number >= len(self._study.get_trials(deepcopy=False)):
                self._study.add_trial(as_known(entry, ended=ended))
                if not ended:
                    self._open[number] = self._last()
            elif ended and number in self._open:
                values = None if entry.value is None else [entry.value]
                storage = self._study._storage
                storage.set_trial_state_values(self._open.pop(number), entry.state, values)

    def take(self, values: Values) -> Values:
        """Add a set that was not asked for."""
        self._study.add_trial(entry_of(values, self._spans))
        self._note()
        return values

    def ask(self, seed: int) -> Values:
        """Return the set that comes next."""
        self._study.sampler = _Sampler(self._spans, seed)
        values: Values = self._study.ask(self._spans).params
        self._note()
        return values

    def _note(self) -> None:
        self._open[len(self._study.get_trials(deepcopy=False)) - 1] = self._last()

    def _last(self) -> int:
        trial: int = self._study.get_trials(deepcopy=False)[-1]._trial_id
        return trial


class _Sampler(TPESampler):
    """Optuna's, for a space that is known: it need not be gathered from all trials each time."""

    def __init__(self, spans: Mapping[str, BaseDistribution], seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=_DRAWN, multivariate=True, constant_liar=True)
        self._spans = dict(spans)

    def infer_relative_search_space(
        self, _study: optuna.Study, _trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._spans


class Grid:
    """Every combination of the values of a space, in an order that the seed shuffles."""

    def __init__(self, space: Space, seed: int) -> None:
        self._spans, self._counts = space.spans, [_count(*each) for each in space.spans.items()]
        size = math.prod(self._counts)
        if size > MOST_OF_A_GRID:
            raise RunError(
                f"a grid may have {MOST_OF_A_GRID:,} sets, found {size:,}: give fewer values, "
                'or take sampler = "tpe"'
            )
        self._order = np.random.default_rng([seed, 0]).permutation(size)

    def __len__(self) -> int:
        return len(self._order)

    def at(self, number: int) -> Values:
        """Return the set of that number."""
        places = np.unravel_index(self._order[number], self._counts)
        chosen = zip(self._spans.items(), places, strict=True)
        return {key: span.at(int(place)) for (key, span), place in chosen}


def _count(key: str, span: Given) -> int:
    if span.count is None:
        raise RunError(
            f"{key}: a grid needs a step or choices for each key, found {span.to_json()}; give "
            'one, or take sampler = "tpe"'
        )
    return span.count


def in_memory(history: Sequence[FrozenTrial]) -> optuna.Study:
    """Return a study of these trials that nobody keeps."""
    study = optuna.create_study(direction="maximize")
    study.add_trials(history)
    return study


def as_known(entry: FrozenTrial, *, ended: bool) -> FrozenTrial:
    """Return an entry as the choice of a batch knows it: without what came of its own batch."""
    state = entry.state if ended else TrialState.RUNNING
    return create_trial(
        state=state,
        value=entry.value if state == TrialState.COMPLETE else None,
        params=entry.params,
        distributions=entry.distributions,
    )


def entry_of(values: Values, spans: Mapping[str, BaseDistribution]) -> FrozenTrial:
    """Return the entry of a set that was chosen and has not ended."""
    return create_trial(state=TrialState.RUNNING, params=dict(values), distributions=dict(spans))


def distribution(span: Given) -> BaseDistribution:
    """Return what a key may be, as Optuna says it."""
    if not isinstance(span, Span):
        return CategoricalDistribution(span.choices)
    # Optuna warns where the last step does not reach the end.
    low, high = span.low, span.high if span.count is None or span.log else span.at(span.count - 1)
    if span.whole:
        step = 1 if span.step is None else int(span.step)
        return IntDistribution(int(low), int(high), log=span.log, step=step)
    return FloatDistribution(low, high, log=span.log, step=span.step)
