"""The training audit: what is learned must not know what comes after the split.

The split is where the test part starts. Everything that closes after it is altered, and the
training is done again with its parts cut at the same moments. Members, calibrators and base rate
must be the same to the last byte. The two trainings are compared stage by stage, and the first
stage that differs names the leak.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, TypeAlias

import joblib
import numpy as np
from numpy.typing import NDArray

from engine.jobs.auditing.alteration import altered_after
from engine.jobs.auditing.columns import first_unequal, told
from engine.jobs.auditing.report import Leak
from engine.jobs.settings import Settings
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars, TimeArray
from ml.base import Model, Rows
from ml.ensemble import Ensemble, Member
from ml.features.catalog import FEATURE_NAMES
from ml.member_files import member_bytes
from ml.models.catalog import SKOPS, form_of
from ml.splits import Parts, cut_moments
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.fitting import Material
from ml.training.trainer import train

_HALF_MS = 0.5  # `cut_moments` drops fractions of a millisecond


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """A training, with all that it went through."""

    rows: TrainingSet
    parts: Parts
    material: Material
    ensemble: Ensemble


Training: TypeAlias = Callable[[Sequence[Bars], TimeArray | None], Trail]
"""(bars, the moments that cut the parts or None to take them from the bars) -> what was learned."""


def training_of(settings: Settings, models: Mapping[str, tuple[float, Model]]) -> Training:
    """Return the training of the `train` command, with its stages laid open."""
    return lambda markets, cuts: trail_of(training_rows(markets, settings), cuts, settings, models)


def trail_of(
    rows: TrainingSet,
    cuts: TimeArray | None,
    settings: Settings,
    models: Mapping[str, tuple[float, Model]],
) -> Trail:
    """Return the training on the rows; its parts are cut at the moments, if they are given."""
    config = settings.training if cuts is None else cut_at(settings.training, rows, cuts)
    trained = train(rows, config, models, seed=settings.seed)
    parts = trained.parts
    learned_from = (rows.take(parts.train), rows.take(parts.stop), rows.take(parts.calibrate))
    material = Material.from_rows(*learned_from, seed=settings.seed)
    return Trail(rows, parts, material, trained.ensemble)


def cut_at(config: TrainingConfig, rows: TrainingSet, cuts: TimeArray) -> TrainingConfig:
    """Return the configuration that cuts the rows at the moments.

    The parts are shares of the time from the first row to the last. Where the last row lies is
    the user's choice of data and no leak, but it moves when later bars are altered.
    """
    start, end = rows.decided_at.min(), rows.decided_at.max()
    edges = [0.0, *((cuts - start) / np.timedelta64(1, "ms") + _HALF_MS).tolist()]
    whole = float((end - start) / np.timedelta64(1, "ms"))
    shares = [(late - early) / whole for early, late in pairwise([*edges, whole])]
    return config.model_copy(update={"fractions": tuple(shares)})


@dataclass(frozen=True, slots=True, eq=False)
class TrainingAudited:
    """What was learned of the bars as they are, where it was split, and the leak if there is one.

    Attributes
    ----------
    split : the moment after which the bars were altered
    stages : how many were compared, in order
    """

    trail: Trail
    split: np.datetime64
    stages: int
    leaks: Sequence[Leak]


def audit_training(
    markets: Sequence[Bars], learn: Training, fractions: Sequence[float], *, seed: int
) -> TrainingAudited:
    """Train twice, the second time with other bars after the split, and compare.

    Parameters
    ----------
    markets : as they are
    learn : the training
    fractions : of the time, for its parts
    seed : of the other bars
    """
    before = learn(markets, None)
    cuts = cut_moments(before.rows.decided_at, fractions)
    split = cuts[-1]
    late = _too_late(before, cuts)
    if late is not None:
        return TrainingAudited(before, split, 0, [late])
    after = learn([altered_after(bars, split, seed) for bars in markets], cuts)
    compared = 0
    for first, second in zip(_stages(before), _stages(after), strict=True):
        compared += 1
        leak = _difference(first, second)
        if leak is not None:
            return TrainingAudited(before, split, compared, [leak])
    return TrainingAudited(before, split, compared, [])


def _too_late(trail: Trail, cuts: TimeArray) -> Leak | None:
    """Return the first row of a part that is decided, or whose label is known, after its end.

    Another future need not turn a label round, so such rows are looked for by themselves.
    """
    material = trail.material
    parts = (("train", material.train), ("stop", material.stop), ("calibrate", material.held_out))
    for (name, rows), end in zip(parts, cuts, strict=True):
        for what, moments, late in (
            ("rows of a later part", rows.decided_at, rows.decided_at >= end),
            ("label reach", rows.known_at, rows.known_at > end),
        ):
            if late.any():
                row = int(np.argmax(late))
                symbol, decided = rows.symbols[rows.symbol[row]], rows.decided_at[row]
                difference = f"{moments[row]}Z, and the part ends at {end}Z"
                return _leak(f"{name} rows: {what}", symbol, decided, difference)
    return None


@dataclass(frozen=True, slots=True, eq=False)
class _Stage:
    """One stage of a training: columns of as many rows, and whose the first of them are.

    Attributes
    ----------
    rows : those of a part, in the order of the columns; rows that SMOTE invented come after them
    """

    name: str
    columns: Mapping[str, NDArray[Any]]
    rows: TrainingSet | None = None


def _stages(trail: Trail) -> Iterator[_Stage]:
    """Yield what the training went through, in order."""
    material = trail.material
    train_rows = material.train
    yield _Stage("train rows", _chosen(train_rows), train_rows)
    yield _Stage("train features", _features(train_rows), train_rows)
    yield _Stage("train labels", _labels(train_rows), train_rows)
    grown = material.grown
    invented: dict[str, NDArray[Any]] = {"features": grown.X, "label": grown.y, **_weight(grown)}
    yield _Stage("oversampled rows", invented, train_rows)
    for name, rows in (("stop rows", material.stop), ("calibrate rows", material.held_out)):
        yield _Stage(name, {**_chosen(rows), **_features(rows), **_labels(rows)}, rows)
    yield _Stage("base rate", {"base rate": np.array([trail.ensemble.base_rate])})
    for member in trail.ensemble.members:
        yield _Stage(f"member {member.name}", _member(member))


def _chosen(rows: TrainingSet) -> Mapping[str, NDArray[Any]]:
    names = np.array(rows.symbols)
    return {"decided at": rows.decided_at, "symbol": names[rows.symbol]}


def _features(rows: TrainingSet) -> Mapping[str, NDArray[Any]]:
    matrix = rows.samples.latest()
    return {name: matrix[:, column] for column, name in enumerate(FEATURE_NAMES)}


def _labels(rows: TrainingSet) -> Mapping[str, NDArray[Any]]:
    return {"label": rows.y, "known at": rows.known_at, **_weight(rows)}


def _weight(rows: TrainingSet | Rows) -> Mapping[str, NDArray[Any]]:
    return {} if rows.weight is None else {"weight": rows.weight}


def _member(member: Member) -> Mapping[str, NDArray[Any]]:
    line = member.calibrator
    return {
        "model": np.array([_model_digest(member)]),
        "calibrator": np.array([line.slope, line.intercept]),
    }


def _model_digest(member: Member) -> str:
    # skops names the parts of a file by where they lay in memory, so that equal models have
    # unequal files: of such a model joblib reads the same content without those names.
    if form_of(member.name) == SKOPS:
        return str(joblib.hash(member.model, hash_name="sha1"))
    return sha256(member_bytes(member)).hexdigest()


def _difference(before: _Stage, after: _Stage) -> Leak | None:
    """Return the first column that differs, at its first row that does."""
    for name, column in before.columns.items():
        other = after.columns[name]
        row = first_unequal(column, other)
        if row is None:
            continue
        what = before.name if name == before.name else f"{before.name}: {name}"
        rows = before.rows
        if rows is None or row >= len(rows):
            return _leak(what, None, None, f"row {row}: {told(column, other, row)}")
        symbol = rows.symbols[rows.symbol[row]]
        return _leak(what, symbol, rows.decided_at[row], told(column, other, row))
    return None


def _leak(what: str, symbol: str | None, at: np.datetime64 | None, difference: str) -> Leak:
    return Leak(
        where="training",
        what=what,
        kind="altered",
        symbol=symbol,
        first_at=at,
        difference=difference,
    )
