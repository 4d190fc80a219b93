"""The training audit: planted leaks are caught at the stage where they enter, and named."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from engine.jobs.auditing.training import (
    Trail,
    Training,
    TrainingAudited,
    audit_training,
    cut_at,
    trail_of,
    training_of,
)
from engine.jobs.settings import load_settings
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars, TimeArray
from ml.base import Rows, Samples
from ml.ensemble import Ensemble
from ml.labels import horizon_labels
from ml.splits import Parts, cut_moments
from ml.training.balance import oversample
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from tests.makers import make_bars, with_hole
from tests.ml.trained import quick_model

SETTINGS = load_settings(
    overrides={"training": {"population": "all", "lookahead": 12, "profit_threshold": 0.005}}
)
FRACTIONS = SETTINGS.training.fractions
MODELS = {
    "logistic": (0.5, quick_model("logistic")),
    "xgboost": (0.5, quick_model("xgboost").set_params(jobs=1)),
}
MARKETS = (
    make_bars(1500, seed=1),
    with_hole(make_bars(1500, seed=2, symbol="ETH/USDT"), at=500, missing=40),
)

Change = Callable[[TrainingSet], TrainingSet]


def audited(learn: Training) -> TrainingAudited:
    return audit_training(MARKETS, learn, FRACTIONS, seed=0)


def on_rows(change: Change) -> Training:
    """Return the training on rows that were changed as a whole."""
    return lambda markets, cuts: trail_of(
        change(training_rows(markets, SETTINGS)), cuts, SETTINGS, MODELS
    )


def after_all(change: Callable[[Trail], Trail]) -> Training:
    """Return the training with a stage changed."""
    learn = training_of(SETTINGS, MODELS)
    return lambda markets, cuts: change(learn(markets, cuts))


def only_leak(learn: Training) -> str:
    """Return the name of the one leak, after looking at the rest of it."""
    found = audited(learn)
    (leak,) = found.leaks
    assert (leak.where, leak.kind) == ("training", "altered")
    assert leak.symbol is None or leak.symbol in {bars.symbol for bars in MARKETS}
    return leak.what


def test_the_product_learns_nothing_from_after_the_split() -> None:
    found = audited(training_of(SETTINGS, MODELS))
    assert found.leaks == []
    assert found.stages == 7 + len(MODELS)


@pytest.mark.parametrize("label", ["barrier", "payoff"])
def test_so_it_does_with_labels_that_follow_a_position(label: str) -> None:
    training = SETTINGS.training.model_copy(update={"label": label})
    settings = SETTINGS.model_copy(update={"training": training})
    assert audited(training_of(settings, MODELS)).leaks == []


# --- planted leaks ----------------------------------------------------------------------------


def scaled_by_all(rows: TrainingSet) -> TrainingSet:
    scaler = StandardScaler().fit(rows.samples.latest())
    matrix = scaler.transform(rows.samples.matrix).astype(np.float32)
    return replace(rows, samples=Samples(matrix, rows.samples.rows))


def test_a_scaler_fitted_on_all_rows_is_caught() -> None:
    assert only_leak(on_rows(scaled_by_all)) == "train features: return_1"


def smote_before_the_split(trail: Trail) -> Trail:
    rows = trail.rows
    grown = oversample(Rows(rows.samples.latest(), rows.y, rows.weight), seed=0)
    return replace(trail, material=replace(trail.material, grown=grown))


def test_smote_before_the_split_is_caught() -> None:
    assert only_leak(after_all(smote_before_the_split)) == "oversampled rows: features"


def stopped_by_the_test_part(trail: Trail) -> Trail:
    stop = trail.rows.take(trail.parts.test)
    return replace(trail, material=replace(trail.material, stop=stop))


def test_early_stopping_by_test_rows_is_caught() -> None:
    assert only_leak(after_all(stopped_by_the_test_part)) == "stop rows: rows of a later part"


def calibrated_on_the_test_part(trail: Trail) -> Trail:
    both = np.concatenate([trail.parts.calibrate, trail.parts.test])
    return replace(trail, material=replace(trail.material, held_out=trail.rows.take(both)))


def test_calibration_on_test_rows_is_caught() -> None:
    what = only_leak(after_all(calibrated_on_the_test_part))
    assert what == "calibrate rows: rows of a later part"


def unpurged(trail: Trail, cuts: TimeArray | None) -> Trail:
    """Return the training with the rows that the purge had dropped."""
    rows = trail.rows
    moments = cut_moments(rows.decided_at, FRACTIONS) if cuts is None else cuts
    part = np.searchsorted(moments, rows.decided_at, side="right")
    parts = Parts(*(np.flatnonzero(part == number) for number in range(4)))
    learned_from = (rows.take(parts.train), rows.take(parts.stop), rows.take(parts.calibrate))
    train, stop, held_out = learned_from
    material = replace(trail.material, train=train, stop=stop, held_out=held_out)
    return replace(trail, parts=parts, material=material)


def test_a_label_that_reaches_across_the_split_is_caught() -> None:
    learn = training_of(SETTINGS, MODELS)
    what = only_leak(lambda markets, cuts: unpurged(learn(markets, cuts), cuts))
    assert what == "train rows: label reach"


def known_too_early(rows: TrainingSet) -> TrainingSet:
    """Return the rows as if their labels were known when they are decided."""
    return replace(rows, known_at=rows.decided_at)


def test_so_is_one_that_says_it_was_known_before() -> None:
    assert only_leak(on_rows(known_too_early)) == "calibrate rows: label"


def joined_by_row(markets: Sequence[Bars], cuts: TimeArray | None) -> Trail:
    """Give each row of the first market a feature of the second market's bar of the same number."""
    rows = training_rows(markets, SETTINGS)
    matrix = rows.samples.matrix.copy()
    first, second = markets
    count = min(len(first), len(second))
    matrix[:count, 0] = second.close[:count]
    joined = replace(rows, samples=Samples(matrix, rows.samples.rows))
    return trail_of(joined, cuts, SETTINGS, MODELS)


def test_a_join_by_row_is_caught() -> None:
    found = audited(joined_by_row)
    assert [leak.what for leak in found.leaks] == ["calibrate rows: return_1"]
    assert found.leaks[0].symbol == "BTC/USDT"


def labels_that_reach_further_than_they_say(
    markets: Sequence[Bars], cuts: TimeArray | None
) -> Trail:
    rows = training_rows(markets, SETTINGS)
    y = rows.y.copy()
    for number, bars in enumerate(markets):
        far = horizon_labels(bars, lookahead=400, profit_threshold=0.05).value
        own = rows.symbol == number
        y[own] |= far[np.searchsorted(bars.closed_at, rows.decided_at[own])]
    return trail_of(replace(rows, y=y), cuts, SETTINGS, MODELS)


def test_labels_of_the_train_part_that_look_far_ahead_are_caught() -> None:
    assert only_leak(labels_that_reach_further_than_they_say) in {
        f"{stage}: label" for stage in ("train labels", "stop rows", "calibrate rows")
    }


def test_rows_that_are_chosen_by_how_many_follow_are_caught() -> None:
    """The audited training keeps all rows for this reason: thinning counts the later ones too."""
    market = make_bars(1500, seed=1)
    candidates = load_settings(overrides={"training": {"population": "candidates"}})
    rows = training_rows([market], candidates)

    def counted(found: TrainingSet) -> TrainingSet:
        return found.take(np.arange(0, len(found), 2 + int(found.y[-200:].sum()) % 2))

    assert len(rows) < len(market)
    assert only_leak(on_rows(counted)) == "train rows: decided at"


def with_ensemble(change: Callable[[Trail], Ensemble]) -> Training:
    return after_all(lambda trail: replace(trail, ensemble=change(trail)))


def test_a_base_rate_of_all_rows_is_caught() -> None:
    def of_all(trail: Trail) -> Ensemble:
        return replace(trail.ensemble, base_rate=float(trail.rows.y.mean()))

    assert only_leak(with_ensemble(of_all)) == "base rate"


@pytest.mark.parametrize("name", MODELS)
def test_a_member_that_learned_from_all_rows_is_caught_by_name(name: str) -> None:
    def taught(trail: Trail) -> Ensemble:
        members = [
            replace(m, model=quick_model(name).fit(trail.rows.samples.latest(), trail.rows.y))
            if m.name == name
            else m
            for m in trail.ensemble.members
        ]
        return replace(trail.ensemble, members=tuple(members))

    assert only_leak(with_ensemble(taught)) == f"member {name}: model"


def test_a_calibrator_of_all_rows_is_caught_by_its_member() -> None:
    def shifted(trail: Trail) -> Ensemble:
        first, *others = trail.ensemble.members
        line = replace(first.calibrator, intercept=float(trail.rows.y.mean()))
        return replace(trail.ensemble, members=(replace(first, calibrator=line), *others))

    assert only_leak(with_ensemble(shifted)) == "member logistic: calibrator"


# --- the parts stay where they were -----------------------------------------------------------


@given(
    late=st.integers(0, 400),
    shares=st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4),
)
def test_the_parts_are_cut_at_the_same_moments_wherever_the_rows_end(
    late: int, shares: list[float]
) -> None:
    rows = training_rows(MARKETS[:1], SETTINGS)
    fractions = [share / sum(shares) for share in shares]
    cuts = cut_moments(rows.decided_at, fractions)
    kept = rows.take((rows.decided_at <= cuts[-1]) | (np.arange(len(rows)) < len(rows) - late))
    if kept.decided_at.max() <= cuts[-1]:
        return
    again = cut_moments(kept.decided_at, cut_at(TrainingConfig(), kept, cuts).fractions)
    np.testing.assert_array_equal(again, cuts)
