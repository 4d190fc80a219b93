"""From a training set to a calibrated ensemble.

1. The rows are divided in time, purged by known_at (`ml.splits`), and each part is checked.
2. Each member learns from the train part: tabular ones with SMOTE (`ml.training.balance`), sequence
   models from the rows as they are, weighing the classes themselves. The stop part, at natural
   frequencies, ends the learning of members that learn in rounds.
3. Each member is calibrated on the calibrate part, at natural frequencies. The share of ones in
   all three parts is the base rate from which the ensemble shifts the prior to 0.5.

The test part is not looked at. A member that fails to learn is an error: serving may do without
one, training may not.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from feeds.bars import IntArray
from ml.base import FloatMatrix, Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.errors import TrainingError
from ml.models.binary_model import drawn_rows
from ml.splits import Parts, chronological_parts
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet

log = logging.getLogger("tandem.ml")

MIN_ROWS = 20  # of a part
MIN_OF_CLASS = 5  # rows of either class, of a part that is learned from

Rows = tuple[FloatMatrix, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One part: its rows, the share of ones, first and last decision (ISO, UTC)."""

    rows: int
    positive_rate: float
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport:
    """One member: rows it was given, those that SMOTE invented, those within its cap, time."""

    rows: int
    synthetic_rows: int
    rows_used: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What was learned from.

    Attributes
    ----------
    parts : train, stop, calibrate, test
    purged : rows dropped because their label was known only after the next part had started
    base_rate : share of ones in train, stop and calibrate, from which votes are shifted to 0.5
    members : by name
    """

    parts: Mapping[str, PartReport]
    purged: int
    base_rate: float
    members: Mapping[str, MemberReport]

    def to_json(self) -> dict[str, Any]:
        """Return the report in JSON's own types."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """The ensemble, the parts it was made from, and the report."""

    ensemble: Ensemble
    parts: Parts
    report: TrainingReport


@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """What members learn from: rows as they are, and the tabular ones with SMOTE."""

    train: TrainingSet
    stop: TrainingSet
    calibrate: TrainingSet
    grown: Rows


def train(
    rows: TrainingSet,
    config: TrainingConfig,
    models: Mapping[str, tuple[float, Model]],
    *,
    seed: int,
) -> Trained:
    """Return the calibrated ensemble of `models`, which themselves are left as they are.

    Parameters
    ----------
    rows : of all symbols
    config : its fractions are used
    models : name -> (weight, model that has not learned)
    seed : of the rows that SMOTE invents

    Raises
    ------
    TrainingError
        if a part is too small or lacks a class
    """
    parts = chronological_parts(rows.decided_at, rows.known_at, config.fractions)
    _check(parts, rows)
    material = _material(rows, parts, seed)
    fitted = {name: _member(name, *models[name], material) for name in models}
    base_rate = _base_rate(material)
    ensemble = Ensemble(tuple(member for member, _ in fitted.values()), base_rate)
    report = TrainingReport(
        parts={name: _part_report(rows.take(part)) for name, part in parts.items()},
        purged=len(rows) - sum(len(part) for _, part in parts.items()),
        base_rate=base_rate,
        members={name: member_report for name, (_, member_report) in fitted.items()},
    )
    return Trained(ensemble, parts, report)


def _base_rate(material: _Material) -> float:
    """Return the share of ones in all that was learned from, at natural frequencies.

    One stretch of time may be quiet or wild; the longest one says best how common ones are.
    """
    seen = (material.train, material.stop, material.calibrate)
    return float(np.concatenate([part.y for part in seen]).mean())


def _check(parts: Parts, rows: TrainingSet) -> None:
    for name, part in parts.items():
        needed = 0 if name == "test" else MIN_OF_CLASS
        ones = int(rows.y[part].sum())
        rarer = min(ones, len(part) - ones)
        if len(part) < MIN_ROWS or rarer < needed:
            raise TrainingError(
                f"the {name} part must hold at least {MIN_ROWS} rows and {needed} of each class, "
                f"found {len(part)} rows with {ones} ones (of {len(rows)} rows in all, "
                f"{int(rows.y.sum())} ones): give more bars, or a label that is less one-sided"
            )


def _material(rows: TrainingSet, parts: Parts, seed: int) -> _Material:
    # Here and not above: what only knows that a training can be had starts without imblearn.
    from ml.training.balance import oversample

    learned = rows.take(parts.train)
    started = perf_counter()
    grown = oversample(learned.samples.latest(), learned.y, seed=seed)
    log.info(
        "oversampled %d rows to %d in %.1f s", len(learned), len(grown[1]), perf_counter() - started
    )
    return _Material(learned, rows.take(parts.stop), rows.take(parts.calibrate), grown)


def _member(
    name: str, weight: float, model: Model, material: _Material
) -> tuple[Member, MemberReport]:
    started = perf_counter()
    fresh: Model = clone(model)
    X, y = _learned_rows(fresh, material)
    if has_fit_parameter(fresh, "validation"):
        stop = material.stop
        fresh.fit(X, y, validation=(stop.samples.shaped_for(fresh), stop.y))  # type: ignore[call-arg]  # checked above
    else:
        fresh.fit(X, y)
    raw = fresh.predict_proba(material.calibrate.samples.shaped_for(fresh))[:, 1]
    calibrator = PlattCalibrator.from_fit(raw, material.calibrate.y)
    report = MemberReport(
        rows=len(y),
        synthetic_rows=0 if _is_sequential(fresh) else len(y) - len(material.train),
        rows_used=int(getattr(fresh, "rows_used_", len(y))),
        seconds=perf_counter() - started,
    )
    log.info("%s learned from %d rows in %.1f s", name, report.rows_used, report.seconds)
    return Member(name, weight, fresh, calibrator), report


def _learned_rows(model: Model, material: _Material) -> Rows:
    if not _is_sequential(model):
        return material.grown
    # Sequences are many times their rows: the model's own cap is applied before they are made.
    limit = getattr(model, "max_rows", len(material.train))
    drawn = drawn_rows(len(material.train), limit=limit, seed=getattr(model, "seed", 0))
    return material.train.samples.take(drawn).shaped_for(model), material.train.y[drawn]


def _is_sequential(model: Model) -> bool:
    return getattr(model, "steps", None) is not None


def _part_report(rows: TrainingSet) -> PartReport:
    return PartReport(
        rows=len(rows),
        positive_rate=float(rows.y.mean()),
        first=str(rows.decided_at.min()),
        last=str(rows.decided_at.max()),
    )
