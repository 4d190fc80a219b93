"""From a training set to a calibrated ensemble.

1. The rows are divided in time, purged by known_at (`ml.splits`), and each part is checked.
2. Each member learns from the train part, the stop part ends the learning of those that learn in
   rounds (`ml.training.fitting`). A member that has learned is kept, so that a training which is
   interrupted need not be done again (`ml.training.checkpoints`).
3. Each member is calibrated on the calibrate part, at natural frequencies. The share of ones in
   all three parts is the base rate from which the ensemble shifts the prior to 0.5.

The test part is not looked at. A member that fails to learn is an error: serving may do without
one, training may not.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.base import clone
from threadpoolctl import threadpool_limits

from feeds.progress import progress
from ml.base import Model
from ml.calibration import PlattCalibrator
from ml.ensemble import Ensemble, Member
from ml.splits import Parts, chronological_parts
from ml.training.checkpoints import Checkpoints
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.fitting import MIN_OF_CLASS, Lesson, Material, MemberReport, check_rows

log = logging.getLogger("tandem.ml")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One part: its rows, the share of ones, first and last decision (ISO, UTC)."""

    rows: int
    positive_rate: float
    first: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What was learned from.

    Attributes
    ----------
    parts : train, stop, calibrate, and test if there is one
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


def train(
    rows: TrainingSet,
    config: TrainingConfig,
    models: Mapping[str, tuple[float, Model]],
    *,
    seed: int,
    kept: Checkpoints | None = None,
) -> Trained:
    """Return the calibrated ensemble of `models`, which themselves are left as they are.

    Parameters
    ----------
    rows : of all symbols
    config : its fractions are used
    models : name -> (weight, model that has not learned)
    seed : of the rows that SMOTE invents
    kept : where members are kept and taken up; None to keep none

    Raises
    ------
    TrainingError
        if a part is too small or lacks a class
    """
    parts = training_parts(rows, config)
    # BLAS adds up in an order that follows its threads: with one of them the last bits of what is
    # learned are the same on any number of cores.
    with threadpool_limits(1, user_api="blas"):
        material = Material.from_rows(
            rows.take(parts.train), rows.take(parts.stop), rows.take(parts.calibrate), seed=seed
        )
        fitted = _fitted(models, material, kept)
    base_rate = _base_rate(material)
    ensemble = Ensemble(tuple(member for member, _ in fitted.values()), base_rate)
    report = TrainingReport(
        parts={name: _part_report(rows.take(part)) for name, part in parts.items() if len(part)},
        purged=len(rows) - sum(len(part) for _, part in parts.items()),
        base_rate=base_rate,
        members={name: member_report for name, (_, member_report) in fitted.items()},
    )
    return Trained(ensemble, parts, report)


def _fitted(
    models: Mapping[str, tuple[float, Model]], material: Material, kept: Checkpoints | None
) -> dict[str, tuple[Member, MemberReport]]:
    fitted = {}
    with progress("training", total=len(models), unit="members") as advance:
        for name, (weight, model) in models.items():
            fitted[name] = _member(name, weight, model, material, kept)
            advance()
    return fitted


def _base_rate(material: Material) -> float:
    """Return the share of ones in all that was learned from, at natural frequencies.

    One stretch of time may be quiet or wild; the longest one says best how common ones are. Rows
    that count by what they came to need no shift: at even odds profit equals loss already.
    """
    if material.train.weight is not None:
        return 0.5
    seen = (material.train, material.stop, material.held_out)
    return float(np.concatenate([part.y for part in seen]).mean())


def training_parts(rows: TrainingSet, config: TrainingConfig) -> Parts:
    """Return the parts of the rows, each large and mixed enough for a training.

    Raises
    ------
    TrainingError
        if one is too small or lacks a class
    """
    parts = chronological_parts(rows.decided_at, rows.known_at, config.fractions)
    tested = config.fractions[-1] > 0.0
    for name, part in parts.items() if tested else parts.items()[:-1]:
        needed = 0 if name == "test" else MIN_OF_CLASS
        check_rows(f"{name} part", rows.y[part], rows.y, of_class=needed)
    return parts


def _member(
    name: str, weight: float, model: Model, material: Material, kept: Checkpoints | None
) -> tuple[Member, MemberReport]:
    fresh: Model = clone(model)
    lesson = Lesson.for_model(fresh, material)
    if kept is None:
        return _learned(name, weight, fresh, lesson)
    key = lesson.digest(fresh)
    found = kept.find(name, key)
    if found is not None:
        log.info("%s is taken up: a training that did not end had finished it", name)
        return replace(found[0], weight=weight), found[1]
    member, report = _learned(name, weight, fresh, lesson)
    kept.keep(key, member, report)
    return member, report


def _learned(name: str, weight: float, fresh: Model, lesson: Lesson) -> tuple[Member, MemberReport]:
    started = perf_counter()
    held_out = lesson.held_out
    calibrator = PlattCalibrator.from_fit(lesson.teach(fresh), held_out.y, held_out.weight)
    rows = len(lesson.learned.y)
    report = MemberReport(
        rows=rows,
        synthetic_rows=lesson.synthetic_rows,
        rows_used=int(getattr(fresh, "rows_used_", rows)),
        seconds=perf_counter() - started,
    )
    log.info("%s learned from %d rows in %.1f s", name, report.rows_used, report.seconds)
    return Member(name, weight, fresh, calibrator), report


def _part_report(rows: TrainingSet) -> PartReport:
    return PartReport(
        rows=len(rows),
        positive_rate=float(np.average(rows.y, weights=rows.weight)),
        first=str(rows.decided_at.min()),
        last=str(rows.decided_at.max()),
    )
