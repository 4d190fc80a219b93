"""Measuring what is usual: of asked rows and held-out answers, with what ties neighbours."""

from dataclasses import replace

import numpy as np
import pytest

from ml.calibration import shift_prior
from ml.drift import STRETCH, Reference
from ml.features.catalog import FEATURE_NAMES
from ml.references import References
from ml.training.data_pipeline import TrainingSet
from ml.training.references import LEAST_HELD_OUT, LEAST_ROWS, references_of
from tests.engine.jobs.live.watch_makers import ENSEMBLE, HELD_FROM, Law, rows_of, said_of

ROWS = rows_of(Law(), np.random.default_rng(0))
HELD = ROWS.decided_at >= HELD_FROM


def measured(rows: TrainingSet, held_from: np.datetime64 = HELD_FROM) -> References | None:
    return references_of(ENSEMBLE, rows, held_from=held_from, asked={"points": 1})


def sure(found: References | None) -> References:
    assert found is not None
    return found


def test_features_are_of_all_parts_and_held_out_figures_of_the_last() -> None:
    found = sure(measured(ROWS))
    features = ROWS.samples.latest().astype(np.float64)
    assert (found.rows, found.asked) == (len(ROWS), {"points": 1})
    assert tuple(found.features) == FEATURE_NAMES
    assert found.features[FEATURE_NAMES[5]].reference == Reference.of(features[:, 5])
    held_out = found.held_out
    assert held_out is not None
    said = said_of(ROWS.samples.latest())[HELD]
    natural = shift_prior(said, 1.0 - ENSEMBLE.base_rate)
    assert held_out.rows == HELD.sum()
    assert held_out.probability.reference == Reference.of(said)
    assert held_out.positive_rate == pytest.approx(ROWS.y[HELD].mean())
    assert held_out.mean_probability == pytest.approx(natural.mean())
    assert held_out.brier == pytest.approx(np.mean((ROWS.y[HELD] - natural) ** 2))
    assert held_out.gap.mean == pytest.approx(np.mean(ROWS.y[HELD] - natural))


def test_rows_that_no_run_asks_about_do_not_count() -> None:
    rng = np.random.default_rng(1)
    asked = rng.random(len(ROWS)) < 0.8
    matrix = ROWS.samples.matrix.copy()
    matrix[~asked] = 1e6
    rows = replace(ROWS, asked=asked, samples=replace(ROWS.samples, matrix=matrix))
    assert sure(measured(rows)) == sure(measured(ROWS.take(asked)))


def test_the_largest_index_is_of_a_stretch_as_it_lies_in_time() -> None:
    shuffled = ROWS.take(np.random.default_rng(2).permutation(len(ROWS)))
    name = FEATURE_NAMES[7]
    tied, loose = sure(measured(ROWS)).features[name], sure(measured(shuffled)).features[name]
    assert tied.reference == loose.reference
    assert tied.largest > 3 * loose.largest


def test_limits_are_wider_where_neighbours_are_right_and_wrong_together() -> None:
    limits = []
    for alike in (0.0, 0.7, 0.95):
        held_out = sure(measured(rows_of(Law(alike=alike), np.random.default_rng(3)))).held_out
        assert held_out is not None
        limits.append(held_out.gap.limit)
    assert limits == sorted(limits)
    assert 3.7 < limits[0] < 7.0


@pytest.mark.parametrize("rows", [0, STRETCH, LEAST_ROWS - 1])
def test_too_few_rows_tell_nothing(rows: int) -> None:
    assert measured(ROWS.take(np.arange(rows))) is None
    assert measured(ROWS.take(np.arange(LEAST_ROWS))) is not None


def test_too_few_held_out_rows_tell_nothing_of_answers() -> None:
    late = ROWS.decided_at[-LEAST_HELD_OUT + 1]
    assert sure(measured(ROWS, late)).held_out is None
    assert sure(measured(ROWS, ROWS.decided_at[-LEAST_HELD_OUT])).held_out is not None


def test_rows_that_count_more_count_more() -> None:
    weight = np.where(ROWS.y == 1, 3.0, 1.0)
    held_out = sure(measured(replace(ROWS, weight=weight))).held_out
    assert held_out is not None
    share = np.average(ROWS.y[HELD], weights=weight[HELD])
    assert held_out.positive_rate == pytest.approx(share)
    assert held_out.gap.mean == pytest.approx(share - held_out.mean_probability)
