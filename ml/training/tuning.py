"""Which parameters suit each member: trials on folds of the train part (Optuna).

A trial fits a member with other parameters on each fold (`ml.splits.expanding_folds`) and is judged
by the mean ROC AUC over the folds. The first trial is the defaults, so what is found is never worse
than they are on the same folds; how much better it is says the report. A trial that is behind the
median of those before it on the same folds is cut short. Stop, calibrate and test part are not
looked at.

Trials are kept in an SQLite file. A trial depends on the seed and on the trials that ended before
it, and on nothing else, so a search that was interrupted goes on as if it had not been; the trial
that was cut off is tried again. A member is searched for under a name that holds a digest of all
that decides its trials: other rows, spans, code or libraries begin anew.
"""

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import StorageInternalError
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sqlalchemy.exc import SQLAlchemyError

from feeds.progress import Advance, progress
from ml.base import Model
from ml.models.search_space import SearchSpace, Span, search_space
from ml.splits import expanding_folds
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet, evenly
from ml.training.fitting import Lesson, Material, check_rows
from ml.training.trainer import training_parts
from ml.training.trial_file import claim, unusable

log = logging.getLogger("tandem.ml")

Params: TypeAlias = Mapping[str, int | float]

_DRAWN = 5  # trials drawn at random, the defaults included, before what they showed is used
_JUDGED = 3  # whole trials that there must be before one is cut short
_FOLDS, _FAILED = "folds", "failed"  # what a trial notes: its scores, or why there are none

# What a member may die of under some parameters, without the whole search.
_FAILURES = (ValueError, ArithmeticError, RuntimeError, MemoryError)
# What reading a damaged file raises.
_UNREADABLE = (
    OSError,
    sqlite3.Error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RuntimeError,
)

optuna.logging.disable_default_handler()  # what there is to say is said here
optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberTuning:
    """What the search for one member's parameters found.

    Attributes
    ----------
    trials : that ended: to the last fold, pruned or failed
    pruned : cut short, being behind
    failed : in which the member could not learn
    default_folds, best_folds : ROC AUC of the defaults and of the best trial, by fold
    default_params, best_params : of those that were searched for
    """

    trials: int
    pruned: int
    failed: int
    default_folds: tuple[float, ...]
    best_folds: tuple[float, ...]
    default_params: Params
    best_params: Params

    @property
    def default_score(self) -> float:
        """Mean ROC AUC of the defaults over the folds."""
        return _mean(self.default_folds)

    @property
    def best_score(self) -> float:
        """Mean ROC AUC of the best trial over the folds."""
        return _mean(self.best_folds)

    def to_json(self) -> dict[str, Any]:
        """Return the facts in JSON's own types."""
        scores = {"default_score": self.default_score, "best_score": self.best_score}
        return {**json.loads(json.dumps(asdict(self))), **scores}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a search found.

    Attributes
    ----------
    rows : of the train part that were used
    folds : on which each trial was judged
    members : by name; a member without a search space is not among them
    """

    rows: int
    folds: int
    members: Mapping[str, MemberTuning]

    def applied_to(
        self, models: Mapping[str, tuple[float, Model]]
    ) -> dict[str, tuple[float, Model]]:
        """Return the models, not fitted, with the best parameters that were found."""
        return {
            name: (weight, _with_params(model, self._best_of(name)))
            for name, (weight, model) in models.items()
        }

    def _best_of(self, name: str) -> Params:
        return self.members[name].best_params if name in self.members else {}

    def to_json(self) -> dict[str, Any]:
        """Return the facts in JSON's own types."""
        members = {name: found.to_json() for name, found in self.members.items()}
        return {
            "objective": "mean ROC AUC over the folds",
            "trials": sum(found.trials for found in self.members.values()),
            "rows": self.rows,
            "folds": self.folds,
            "members": members,
        }


def tune(
    rows: TrainingSet,
    config: TrainingConfig,
    models: Mapping[str, tuple[float, Model]],
    *,
    seed: int,
    storage: Path,
) -> Tuning:
    """Return the best parameters of `models` on the train part of `rows`.

    Parameters
    ----------
    rows : of all symbols; those outside the train part are not looked at
    config : its fractions, trials, tuning_folds and tuning_rows are used
    models : name -> (weight, model that has not learned), with its defaults
    seed : of the trials and of the rows that SMOTE invents
    storage : SQLite file that keeps the trials; made if it is not there

    Raises
    ------
    TrainingError
        if a part, or one of a fold, is too small or lacks a class
    TuningError
        if the trials cannot be kept
    """
    part = training_parts(rows, config).train
    train = rows.take(part[evenly(len(part), config.tuning_rows)])
    spaces = {name: search_space(model) for name, (_, model) in models.items()}
    tuned = [name for name, space in spaces.items() if space]
    folds = _folds(train, config, seed)
    found = {}
    with (
        _storage(storage) as trials,
        progress("tuning", total=config.trials * len(tuned), unit="trials") as advance,
    ):
        for name in tuned:
            member = _Member(name, models[name][1], spaces[name], folds, seed)
            found[name] = _search(member, config.trials, trials, advance)
    return Tuning(rows=len(train), folds=len(folds), members=found)


def _folds(train: TrainingSet, config: TrainingConfig, seed: int) -> list[Material]:
    """Return what is learned from in each fold; its stop rows take the share they have later."""
    share = config.fractions[1] / (config.fractions[0] + config.fractions[1])
    folds = expanding_folds(train.decided_at, train.known_at, config.tuning_folds, stop=share)
    for number, fold in enumerate(folds, start=1):
        for name, part in fold.items():
            check_rows(f"{name} rows of tuning fold {number}", train.y[part], train.y)
    return [
        Material.from_rows(*(train.take(part) for _, part in fold.items()), seed=seed)
        for fold in folds
    ]


# One member


@dataclass(frozen=True, slots=True, eq=False)
class _Member:
    """A member whose parameters are searched for."""

    name: str
    model: Model
    space: SearchSpace
    folds: Sequence[Material]
    seed: int

    @property
    def defaults(self) -> dict[str, Any]:
        """What its constructor was given of the parameters that are searched for."""
        return {name: getattr(self.model, name) for name in self.space}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return the space as Optuna wants it."""
        return {name: _distribution(span) for name, span in self.space.items()}

    def score(self, params: Params, fold: Material) -> float:
        """Return the ROC AUC on the judged rows of the fold."""
        model = _with_params(self.model, params)
        lesson = Lesson.for_model(model, fold)
        return float(
            roc_auc_score(
                lesson.held_out.y, lesson.teach(model), sample_weight=lesson.held_out.weight
            )
        )

    def study_name(self) -> str:
        """Return a name under which only trials that may be compared are kept."""
        lessons = [Lesson.for_model(self.model, fold).digest(self.model) for fold in self.folds]
        space = {name: repr(span) for name, span in self.space.items()}
        decisive = json.dumps([lessons, space, self.seed], sort_keys=True)
        return f"{self.name}-{hashlib.sha256(decisive.encode()).hexdigest()[:16]}"


def _distribution(span: Span) -> BaseDistribution:
    if span.whole:
        return IntDistribution(int(span.low), int(span.high), log=span.log)
    return FloatDistribution(span.low, span.high, log=span.log)


def _with_params(model: Model, params: Params) -> Model:
    fresh: Any = clone(model)
    fresh.set_params(**params)
    tuned: Model = fresh
    return tuned


# Trials


def _search(member: _Member, trials: int, storage: RDBStorage, advance: Advance) -> MemberTuning:
    study = optuna.create_study(
        storage=storage,
        study_name=member.study_name(),
        direction="maximize",
        pruner=MedianPruner(n_startup_trials=_JUDGED),
        load_if_exists=True,
    )
    _end_cut_off(study)
    ended = _ended(study)
    if ended:
        log.info("%s: %d trials were made before", member.name, len(ended))
    advance(min(len(ended), trials))
    while len(ended) < trials:
        _try(study, member, ended)
        ended = _ended(study)
        advance()
    return _found(member, ended[:trials])


def _end_cut_off(study: optuna.Study) -> None:
    """End the trials of a process that did not end them; they count for nothing."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that count, in their order."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    trials = study.get_trials(deepcopy=False, states=ended)
    return [t for t in trials if t.state != TrialState.FAIL or _FAILED in t.user_attrs]


def _try(study: optuna.Study, member: _Member, ended: Sequence[FrozenTrial]) -> None:
    """Make one trial; its value is by how much it beats the defaults on the same folds."""
    trial = _asked(study, member, len(ended))
    defaults = ended[0].user_attrs[_FOLDS] if ended else None
    scores: list[float] = []
    gain = 0.0
    for fold in member.folds:
        try:
            scores.append(member.score(trial.params, fold))
        except _FAILURES as error:
            if defaults is None:  # they are on trial: the training itself would end like this
                raise
            log.warning("%s cannot learn with %s: %s", member.name, trial.params, error)
            trial.set_user_attr(_FAILED, str(error))
            study.tell(trial, state=TrialState.FAIL)
            return
        gain = _mean(scores) - _mean((defaults or scores)[: len(scores)])
        trial.report(gain, len(scores))
        if len(scores) < len(member.folds) and trial.should_prune():
            log.info("%s with %s is cut short", member.name, trial.params)
            study.tell(trial, state=TrialState.PRUNED)
            return
    log.info("%s with %s scores %.4f", member.name, trial.params, _mean(scores))
    trial.set_user_attr(_FOLDS, scores)
    study.tell(trial, gain)


def _asked(study: optuna.Study, member: _Member, number: int) -> optuna.Trial:
    """Return the next trial; its chance depends on its number, not on who made those before."""
    chance = np.random.SeedSequence([member.seed, number]).generate_state(1)
    study.sampler = TPESampler(seed=int(chance[0]), n_startup_trials=_DRAWN, multivariate=True)
    if not number and not study.get_trials(states=(TrialState.WAITING,)):
        study.enqueue_trial(member.defaults)
    return study.ask(member.distributions())


def _found(member: _Member, ended: Sequence[FrozenTrial]) -> MemberTuning:
    whole = [trial for trial in ended if trial.state == TrialState.COMPLETE]
    best = max(whole, key=lambda trial: (trial.value, -trial.number))
    return MemberTuning(
        trials=len(ended),
        pruned=sum(trial.state == TrialState.PRUNED for trial in ended),
        failed=sum(trial.state == TrialState.FAIL for trial in ended),
        default_folds=tuple(ended[0].user_attrs[_FOLDS]),
        best_folds=tuple(best.user_attrs[_FOLDS]),
        default_params=member.defaults,
        best_params=dict(best.params),
    )


def _mean(scores: Sequence[float]) -> float:
    return float(np.mean(scores))


# The file


@contextmanager
def _storage(path: Path) -> Iterator[RDBStorage]:
    try:
        yield from _opened(path)
    except (SQLAlchemyError, StorageInternalError) as error:
        raise unusable(path, error) from error


def _opened(path: Path) -> Iterator[RDBStorage]:
    """Yield the record, read once as a whole: what cannot be read is told before the work."""
    try:
        claim(path)
        storage = RDBStorage(f"sqlite:///{quote(str(path.absolute()))}")
        for study in storage.get_all_studies():
            storage.get_all_trials(study._study_id, deepcopy=False)
    except _UNREADABLE as error:
        raise unusable(path, error) from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()
