"""Splits beside those of independent libraries, and what was learned from before it was judged.

`purgedcv` drops a row that is learned from if its label's span overlaps that of a judged row. Here
a row is dropped if its label is not known when the judged stretch begins. For what lies before the
stretch the two are one rule. After the stretch an embargo would be needed; nothing is learned from
there, in no split of the product.
"""

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import PurgedKFold, WalkForwardSplit, purge
from sklearn.model_selection import TimeSeriesSplit

from feeds.bars import FloatArray, IntArray, TimeArray
from ml.base import FloatMatrix, Model, Samples
from ml.models.search_space import SearchSpace, Span
from ml.splits import Fold, chronological_parts, expanding_folds, purged_parts
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet, build_training_set
from ml.training.trainer import train
from ml.training.tuning import tune
from tests.makers import make_bars
from tests.ml.trained import WARMUP_BARS
from tests.ml.training.makers import LinearModel, source, tossed

START = np.datetime64("2024-01-01", "ms")
MINUTE = np.timedelta64(60_000, "ms")
EXAMPLES = settings(deadline=None, max_examples=80)
SEEDS = st.integers(0, 2**16)
REACHES = st.sampled_from([1, 10, 100, 1000])  # minutes of the longest label


def labelled(seed: int, rows: int, reach: int) -> tuple[TimeArray, TimeArray]:
    """Return distinct moments, oldest first, and when each label is known: at once or far later."""
    rng = np.random.default_rng(seed)
    decided = START + np.sort(rng.choice(10 * rows, rows, replace=False)) * MINUTE
    return decided, decided + rng.integers(1, reach + 1, rows) * MINUTE


def times(decided: TimeArray, known: TimeArray) -> dict[str, Any]:
    """Return the label spans as `purgedcv` wants them."""
    return {"prediction_times": pd.Series(decided), "evaluation_times": pd.Series(known)}


def purged_by_them(
    learned: IntArray, judged: IntArray, decided: TimeArray, known: TimeArray
) -> list[int]:
    return [int(row) for row in purge(learned, judged, **times(decided, known))]


def learned(fold: Fold) -> list[int]:
    return sorted([*fold.train.tolist(), *fold.stop.tolist()])


# ---------------------------------------------------------------- the same rows as others


@EXAMPLES
@given(seed=SEEDS, rows=st.integers(8, 200), reach=REACHES, cuts=st.integers(1, 4))
def test_parts_cut_at_rows_keep_what_an_independent_purge_keeps(
    seed: int, rows: int, reach: int, cuts: int
) -> None:
    decided, known = labelled(seed, rows, reach)
    at = np.sort(np.random.default_rng(seed).choice(np.arange(1, rows), cuts, replace=False))
    parts = purged_parts(decided, known, decided[at])
    for part, start, end in zip(parts, [0, *at], [*at, rows], strict=True):
        theirs = purged_by_them(np.arange(start, end), np.arange(end, rows), decided, known)
        assert part.tolist() == theirs


@EXAMPLES
@given(seed=SEEDS, rows=st.integers(8, 200), reach=REACHES)
def test_chronological_parts_keep_no_row_that_an_independent_purge_drops(
    seed: int, rows: int, reach: int
) -> None:
    """Cut between rows, ours also drop labels known after the cut, but before the next row."""
    decided, known = labelled(seed, rows, reach)
    named = [part for _, part in chronological_parts(decided, known, (0.6, 0.1, 0.1, 0.2)).items()]
    for place, part in enumerate(named[:-1]):
        later = np.concatenate(named[place + 1 :])
        assert part.tolist() == purged_by_them(part, later, decided, known)


@EXAMPLES
@given(seed=SEEDS, stretch=st.integers(3, 30), count=st.integers(1, 5), reach=REACHES)
def test_folds_are_those_of_an_independent_walk_forward(
    seed: int, stretch: int, count: int, reach: int
) -> None:
    decided, known = labelled(seed, 2 * count * stretch, reach)
    splitter = WalkForwardSplit(count, stretch, **times(decided, known))
    folds = expanding_folds(decided, known, count, stop=0.2)
    for fold, (theirs, judged) in zip(folds, splitter.split(np.zeros(len(decided))), strict=True):
        assert fold.judge.tolist() == judged.tolist()
        pause = int(judged[0] * 0.8)
        stop = np.arange(pause, judged[0])
        before_the_stop = purged_by_them(theirs[theirs < pause], stop, decided, known)
        assert fold.train.tolist() == before_the_stop
        assert fold.stop.tolist() == theirs[theirs >= pause].tolist()


@EXAMPLES
@given(stretch=st.integers(3, 40), count=st.integers(2, 5), reach=st.integers(1, 12))
def test_folds_of_equal_labels_are_those_of_scikit_learn_with_a_gap(
    stretch: int, count: int, reach: int
) -> None:
    reach = min(reach, stretch)  # a gap that leaves no rows is refused there
    rows = 2 * count * stretch
    decided: TimeArray = START + np.arange(rows) * MINUTE
    folds = expanding_folds(decided, decided + reach * MINUTE, count, stop=0.2)
    others = TimeSeriesSplit(count, test_size=stretch, gap=reach - 1).split(np.zeros(rows))
    for fold, (theirs, judged) in zip(folds, others, strict=True):
        assert fold.judge.tolist() == judged.tolist()
        pause = int(judged[0] * 0.8)
        gone = set(range(pause - reach + 1, pause))
        assert learned(fold) == [row for row in theirs.tolist() if row not in gone]


@EXAMPLES
@given(
    seed=SEEDS,
    rows=st.integers(20, 200),
    reach=REACHES,
    embargo=st.integers(0, 500),
    k=st.integers(2, 6),
)
def test_an_embargo_takes_only_rows_that_are_never_learned_from_here(
    seed: int, rows: int, reach: int, embargo: int, k: int
) -> None:
    """K folds learn from both sides of what they judge; ours learn from what is before it."""
    decided, known = labelled(seed, rows, reach)
    splitter = PurgedKFold(k, embargo=pd.Timedelta(minutes=embargo), **times(decided, known))
    for theirs, judged in splitter.split(np.zeros(rows)):
        start = judged[0]
        before, _ = purged_parts(decided, known, decided[[start]])
        assert before.tolist() == theirs[theirs < start].tolist()


def test_a_label_known_when_the_next_stretch_begins_is_kept_by_both() -> None:
    decided: TimeArray = START + np.arange(4) * MINUTE
    known = decided + np.array([2, 2, 1, 1]) * MINUTE
    ours, _ = purged_parts(decided, known, decided[[2]])
    theirs = purged_by_them(np.array([0, 1]), np.array([2, 3]), decided, known)
    assert ours.tolist() == theirs == [0]


# ---------------------------------------------------------------- what was learned from was known

MARK = 0  # the feature that holds the number of the row


class Recorder(LinearModel):
    """A member that notes the rows that it is given, by their mark: to learn, to stop, to judge."""

    search_space: ClassVar[SearchSpace] = {"seed": Span(0, 3)}
    noted: ClassVar[list[dict[str, IntArray]]] = []

    def fit(self, X: FloatMatrix, y: IntArray, *, validation: Any = None) -> Self:
        assert validation is not None
        self.noted.append({"train": _marks(X), "stop": _marks(validation[0])})
        self.mean_y_ = float(np.mean(y))
        return self

    def predict_proba(self, X: FloatMatrix) -> FloatArray:
        self.noted[-1]["judge"] = _marks(X)
        up = 0.5 + 0.1 * np.sin(np.arange(len(X)))
        return np.column_stack([1.0 - up, up])


def _marks(X: FloatMatrix) -> IntArray:
    """Return the numbers of the rows; those that SMOTE invents lie between two numbers."""
    marks = (X[:, -1] if X.ndim == 3 else X)[:, MARK]
    return np.asarray(marks[marks == np.round(marks)], np.int64)


@pytest.fixture
def rows() -> TrainingSet:
    """Rows of two symbols with labels of very different reach, each marked with its number."""
    Recorder.noted.clear()
    bars = [make_bars(1600, seed=n, symbol=s) for n, s in enumerate(("BTC/USDT", "ETH/USDT"))]
    made = tossed(
        build_training_set([source(each) for each in bars], warmup_bars=WARMUP_BARS), ones=0.4
    )
    matrix = made.samples.matrix.copy()
    matrix[made.samples.rows, MARK] = np.arange(len(made))
    reach = np.random.default_rng(0).integers(5, 300, len(made)) * MINUTE
    columns = {name: getattr(made, name) for name in TrainingSet.__dataclass_fields__}
    changed = {"samples": Samples(matrix, made.samples.rows), "known_at": made.decided_at + reach}
    return TrainingSet(**{**columns, **changed})


def models() -> dict[str, tuple[float, Model]]:
    """Return a tabular member and one of sequences."""
    return {"rows": (0.5, Recorder()), "sequences": (0.5, Recorder(steps=4))}


def known_before(rows: TrainingSet, learned: IntArray, judged: IntArray) -> bool:
    """Return whether every label was known before, or when, the first judged row was decided."""
    return bool(rows.known_at[learned].max() <= rows.decided_at[judged].min())


def test_a_training_learns_stops_and_calibrates_on_what_was_known(rows: TrainingSet) -> None:
    trained = train(rows, TrainingConfig(), models(), seed=0)
    assert len(Recorder.noted) == 2
    for noted in Recorder.noted:
        assert known_before(rows, noted["train"], noted["stop"])
        assert known_before(rows, noted["stop"], noted["judge"])
        assert known_before(rows, noted["judge"], trained.parts.test)
        later = np.concatenate([noted["stop"], noted["judge"], trained.parts.test])
        assert known_before(rows, noted["train"], later)
    assert trained.report.purged > 0


def test_a_tuning_judges_each_trial_on_what_came_after_and_never_leaves_the_train_part(
    rows: TrainingSet, tmp_path: Any
) -> None:
    config = TrainingConfig(optimize=True, trials=2, tuning_folds=3)
    tune(rows, config, models(), seed=0, storage=tmp_path / "trials.sqlite")
    parts = chronological_parts(rows.decided_at, rows.known_at, config.fractions)
    later = np.concatenate([parts.stop, parts.calibrate, parts.test])
    assert len(Recorder.noted) >= 2 * config.tuning_folds
    for noted in Recorder.noted:
        assert known_before(rows, noted["train"], noted["stop"])
        assert known_before(rows, noted["stop"], noted["judge"])
        assert set(np.concatenate(list(noted.values()))) <= set(parts.train)
        assert known_before(rows, np.concatenate(list(noted.values())), later)


def test_rows_of_a_training_that_ends_at_a_moment_are_known_by_then() -> None:
    bars, until = make_bars(1200, seed=1), START + 4000 * MINUTE
    made = build_training_set([source(bars.known_at(until))], warmup_bars=WARMUP_BARS)
    assert made.known_at.max() <= until < bars.closed_at[-1]
    assert made.decided_at.max() < until
