"""Measuring what is usual, when a training is over."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import t as student_t

from feeds.bars import FloatArray
from ml.calibration import shift_prior
from ml.drift import STRETCH, Reference, stretch_means
from ml.ensemble import Ensemble
from ml.features.catalog import FEATURE_NAMES
from ml.references import HeldOut, References, Truth, Usual, misses, variances
from ml.training.data_pipeline import TrainingSet

LEAST_ROWS = 20 * STRETCH  # fewer hold too few stretches to tell what is usual
LEAST_HELD_OUT = 5 * STRETCH
MOST_ROWS = 100_000  # the latest; the ensemble is asked about each of them
ERROR_RATE = 1.0 / 5000.0  # stretches whose calibration is called lost though it is not


def references_of(
    ensemble: Ensemble, rows: TrainingSet, *, held_from: np.datetime64, asked: Mapping[str, Any]
) -> References | None:
    """Return what is usual for the asked among the rows; None if there are too few.

    Parameters
    ----------
    rows : all usable rows of the training's bars, not thinned: a stretch is of neighbours
    held_from : the moment from which on rows are decided that no member has learned from
    asked : the settings that decide which rows are asked about
    """
    rows = rows.take(np.flatnonzero(rows.asked)[-MOST_ROWS:])
    if len(rows) < LEAST_ROWS:
        return None
    columns = rows.samples.latest().T
    return References(
        rows=len(rows),
        asked=dict(asked),
        features={
            name: _usual(column.astype(np.float64))
            for name, column in zip(FEATURE_NAMES, columns, strict=True)
        },
        held_out=_held_out(ensemble, rows, held_from),
    )


def _usual(values: FloatArray) -> Usual:
    reference = Reference.of(values)
    return Usual(reference, float(reference.stretch_indices(values).max()))


def _held_out(ensemble: Ensemble, rows: TrainingSet, held_from: np.datetime64) -> HeldOut | None:
    said = ensemble.predict(rows.samples).probability
    answered = np.isfinite(said)
    rows, said = rows.take(answered), said[answered]
    held = rows.decided_at >= held_from
    if held.sum() < LEAST_HELD_OUT:
        return None
    known, natural = rows.take(held), shift_prior(said[held], 1.0 - ensemble.base_rate)
    weight = np.ones(len(known)) if known.weight is None else known.weight
    columns = zip(misses(known.y.astype(np.float64), natural).T, variances(natural).T, strict=True)
    gap, excess = (_truth(missed, variance, weight) for missed, variance in columns)
    return HeldOut(
        rows=len(known),
        probability=_usual_probability(said[held], said[~held]),
        mean_probability=float(np.average(natural, weights=weight)),
        positive_rate=float(np.average(known.y, weights=weight)),
        brier=float(np.average((known.y - natural) ** 2, weights=weight)),
        gap=gap,
        excess=excess,
    )


def _usual_probability(held_out: FloatArray, learned: FloatArray) -> Usual:
    """Return how the held-out answers lie.

    They are of a few months, which may all have been calm. How far a stretch may lie from the
    whole is therefore looked up among the learned rows too, against their own whole: members
    answer more surely there, but so they do on the stretch.
    """
    usual = _usual(held_out)
    if len(learned) < LEAST_ROWS:
        return usual
    return Usual(usual.reference, max(usual.largest, _usual(learned).largest))


def _truth(missed: FloatArray, variance: FloatArray, weight: FloatArray) -> Truth:
    """Return how one column of misses comes out, and where its limit lies.

    Rows in a row are right or wrong together. How much further that leads the mean of a stretch
    than the mean of independent rows is measured on all stretches. That they overlap tells half as
    much again as if they did not.

    References
    ----------
    Künsch, "The jackknife and the bootstrap for general stationary observations", 1989.
    """
    mean = float(np.average(missed, weights=weight))
    each = stretch_means(weight)
    deviation = np.sqrt(stretch_means(weight**2 * variance) / STRETCH) / each
    away = (stretch_means(weight * missed) / each - mean) / deviation
    spread = max(float(np.sqrt(np.mean(away**2))), 1.0)
    freedom = 1.5 * len(missed) / STRETCH - 1.0
    return Truth(mean, spread * float(student_t.isf(ERROR_RATE / 2.0, freedom)))
