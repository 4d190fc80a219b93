"""Splits: dates that hold for every symbol, and no label known too late."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds.bars import TimeArray
from ml.errors import TrainingError
from ml.splits import (
    chronological_parts,
    cut_moments,
    expanding_folds,
    purged_parts,
    verify_parts,
)

FRACTIONS = (0.65, 0.10, 0.10, 0.15)
START = np.datetime64("2024-01-01", "ms")


def minutes(*counts: int) -> TimeArray:
    return START + np.array(counts).astype("timedelta64[m]")


def random_rows(seed: int, rows: int) -> tuple[TimeArray, TimeArray]:
    rng = np.random.default_rng(seed)
    decided = START + rng.integers(0, 5_000, rows).astype("timedelta64[m]")
    return decided, decided + rng.integers(1, 400, rows).astype("timedelta64[m]")


def test_cuts_are_moments_at_fractions_of_the_time_spanned() -> None:
    assert cut_moments(minutes(1000, 0, 400), FRACTIONS).tolist() == (
        minutes(650, 750, 850).tolist()
    )


def test_a_row_whose_label_is_known_at_the_cut_stays_and_one_minute_later_goes() -> None:
    decided, known = minutes(0, 1, 2, 10), minutes(9, 10, 11, 99)
    early, late = purged_parts(decided, known, minutes(10))
    assert early.tolist() == [0, 1]
    assert late.tolist() == [3]


def test_rows_of_several_symbols_are_cut_at_the_same_moment() -> None:
    decided = np.concatenate([minutes(*range(1001)), minutes(*range(500, 1001))])
    known: TimeArray = decided + np.full(len(decided), 5).astype("timedelta64[m]")
    parts = chronological_parts(decided, known, FRACTIONS)
    assert decided[parts.train].max() == minutes(645)[0]
    cuts = cut_moments(decided, FRACTIONS)
    for start, rows in zip(cuts, (parts.stop, parts.calibrate, parts.test), strict=True):
        first_of_each = [decided[rows[rows <= 1000]].min(), decided[rows[rows > 1000]].min()]
        assert first_of_each == [start, start]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 300))
def test_no_label_is_known_after_a_later_part_has_started(seed: int, rows: int) -> None:
    decided, known = random_rows(seed, rows)
    parts = chronological_parts(decided, known, FRACTIONS)
    named = [part for _, part in parts.items()]
    cuts = cut_moments(decided, FRACTIONS)
    for part, start in zip(named[:-1], cuts, strict=True):
        assert (known[part] <= start).all()
        assert (decided[part] < start).all()
    for part, start in zip(named[1:], cuts, strict=True):
        assert (decided[part] >= start).all()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 300))
def test_parts_share_no_row_and_drop_only_what_is_known_too_late(seed: int, rows: int) -> None:
    decided, known = random_rows(seed, rows)
    parts = chronological_parts(decided, known, FRACTIONS)
    kept = np.concatenate([part for _, part in parts.items()])
    assert len(np.unique(kept)) == len(kept)
    dropped = np.setdiff1d(np.arange(rows), kept)
    cuts = cut_moments(decided, FRACTIONS)
    next_cut = np.searchsorted(cuts, decided[dropped], side="right")
    assert (next_cut < len(cuts)).all()
    assert (known[dropped] > cuts[next_cut]).all()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    decided, known = random_rows(seed, 100)
    order = np.random.default_rng(seed).permutation(100)
    straight = chronological_parts(decided, known, FRACTIONS)
    shuffled = chronological_parts(decided[order], known[order], FRACTIONS)
    for (_, one), (_, other) in zip(straight.items(), shuffled.items(), strict=True):
        assert set(one) == set(order[other])


def test_a_label_known_too_late_is_refused() -> None:
    decided, known = minutes(0, 5, 10), minutes(3, 11, 12)
    verify_parts([np.array([0]), np.array([2])], decided, known)
    with pytest.raises(TrainingError, match=r"\(2024-01-01T00:10.*known at 2024-01-01T00:11"):
        verify_parts([np.array([0, 1]), np.array([], np.int64), np.array([2])], decided, known)


def test_no_rows_are_refused() -> None:
    with pytest.raises(TrainingError, match="found none"):
        chronological_parts(minutes(), minutes(), FRACTIONS)


COUNTS = st.integers(1, 5)
STOPS = st.floats(0.05, 0.5)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 300), count=COUNTS, stop=STOPS)
def test_what_a_fold_learns_from_was_known_when_it_is_first_asked(
    seed: int, rows: int, count: int, stop: float
) -> None:
    decided, known = random_rows(seed, rows)
    folds = expanding_folds(decided, known, count, stop=stop)
    assert len(folds) == count
    for fold in folds:
        named = [part for _, part in fold.items()]
        for place, part in enumerate(named):
            for later in named[place + 1 :]:
                if len(part) and len(later):
                    assert known[part].max() <= decided[later].min()
                    assert decided[part].max() < decided[later].min()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 300), count=COUNTS, stop=STOPS)
def test_every_row_after_the_older_half_is_judged_once(
    seed: int, rows: int, count: int, stop: float
) -> None:
    decided, known = random_rows(seed, rows)
    judged = np.concatenate([f.judge for f in expanding_folds(decided, known, count, stop=stop)])
    first = np.sort(decided)[rows // 2]
    assert sorted(judged) == np.flatnonzero(decided >= first).tolist()


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**16), rows=st.integers(1, 300), count=COUNTS, stop=STOPS)
def test_a_fold_learns_from_the_whole_past_but_for_what_was_not_known(
    seed: int, rows: int, count: int, stop: float
) -> None:
    decided, known = random_rows(seed, rows)
    ordered = np.sort(decided)
    for place, fold in enumerate(expanding_folds(decided, known, count, stop=stop)):
        bound = rows * (count + place) // (2 * count)
        pause, start = ordered[int(bound * (1 - stop))], ordered[bound]
        past = np.flatnonzero(decided < start)
        known_in_time = known[past] <= np.where(decided[past] < pause, pause, start)
        assert sorted([*fold.train, *fold.stop]) == past[known_in_time].tolist()


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**16), count=COUNTS)
def test_the_order_of_rows_does_not_matter_to_folds(seed: int, count: int) -> None:
    decided, known = random_rows(seed, 100)
    order = np.random.default_rng(seed).permutation(100)
    straight = expanding_folds(decided, known, count, stop=0.2)
    shuffled = expanding_folds(decided[order], known[order], count, stop=0.2)
    for one, other in zip(straight, shuffled, strict=True):
        for (_, rows), (_, others) in zip(one.items(), other.items(), strict=True):
            assert set(rows) == set(order[others])


def test_folds_hold_stretches_of_as_many_rows_on_ever_longer_pasts() -> None:
    decided = minutes(*range(600))
    folds = expanding_folds(decided, decided, 3, stop=0.1)
    assert [(len(f.train), len(f.stop), len(f.judge)) for f in folds] == [
        (270, 30, 100),
        (360, 40, 100),
        (450, 50, 100),
    ]


def test_folds_of_several_symbols_are_cut_at_the_same_moment() -> None:
    decided = np.concatenate([minutes(*range(300)), minutes(*range(300))])
    for fold in expanding_folds(decided, decided, 2, stop=0.2):
        for part in (fold.train, fold.stop, fold.judge):
            one, other = (decided[part[side]] for side in (part < 300, part >= 300))
            np.testing.assert_array_equal(one, other)


def test_folds_of_nothing_are_refused() -> None:
    with pytest.raises(TrainingError, match="found none"):
        expanding_folds(minutes(), minutes(), 3, stop=0.1)
