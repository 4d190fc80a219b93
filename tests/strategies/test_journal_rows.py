"""Packed rows are the rows that were written, and pandas makes the same frame of them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies import journal_rows
from strategies.journal_rows import Journal

MOMENTS = st.integers(0, 10**12).map(lambda ms: np.datetime64(ms, "ms"))
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "symbol": st.sampled_from(["BTC/USDT", "ETH/USDT"]),
            "decided_at": MOMENTS,
            "score": st.floats(allow_nan=False),
            "technical_points": st.one_of(st.just(0), st.floats(0, 9)),
            "pattern": st.sampled_from([None, "hammer"]),
        },
        optional={
            "probability": st.floats(0.0, 1.0),
            "ml_reason": st.sampled_from([None, "svm: no answer"]),
            "veto": st.just("cooldown"),
            "missing_units": st.floats(0, 5).map(np.float64),
            "late": MOMENTS,
        },
    ),
    max_size=25,
)


@given(ROWS, st.integers(1, 8))
@settings(max_examples=150, deadline=None)
def test_what_was_written_is_read_and_framed_as_it_was(
    rows: list[dict[str, Any]], at_once: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_rows, "AT_ONCE", at_once)
        kept = Journal(rows)

    assert len(kept) == len(rows)
    assert list(kept) == kept[:] == rows
    assert [kept[place] for place in range(len(rows))] == rows
    for once, again in zip(rows, kept, strict=True):
        assert {name: type(value) for name, value in once.items()} == {
            name: type(value) for name, value in again.items()
        }
    for name in ("veto", "late", "nobody"):
        assert list(kept.having(name)) == [row for row in rows if name in row]
    pd.testing.assert_frame_equal(kept.frame(), pd.DataFrame(rows), check_exact=True)


def test_a_journal_that_was_cleared_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_rows, "AT_ONCE", 2)
    kept = Journal([{"a": 1.0}, {"a": 2.0}, {"a": 3.0}])

    kept.clear()
    kept.append({"a": 4.0})

    assert kept == [{"a": 4.0}]
    assert kept != [{"a": 3.0}]
