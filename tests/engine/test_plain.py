import datetime as dt
import json
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.plain import plain


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.floats().map(np.float64)
    | st.integers(-9, 9).map(np.int64)
)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10
)


@given(value=documents)
def test_every_document_survives_strict_json(value: Any) -> None:
    written = json.dumps(plain(value), allow_nan=False)
    assert json.loads(written) == plain(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("inf"), None),
        (np.float64("nan"), None),
        (np.bool_(True), True),
        (np.array([1.0, np.nan]), [1.0, None]),
        (np.datetime64("2024-01-01T00:05", "ms"), "2024-01-01T00:05:00Z"),
        (np.datetime64("NaT"), None),
        (pd.Timestamp("2024-01-01", tz="UTC"), "2024-01-01T00:00:00+00:00"),
        (dt.date(2024, 1, 1), "2024-01-01"),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (Path("runs") / "x", "runs/x"),
        ((1, 2), [1, 2]),
        ({Colour.RED: {3: 1}}, {"red": {"3": 1}}),
    ],
)
def test_values_become_plain(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert json.dumps(found) == json.dumps(expected)


def test_what_json_cannot_say_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="found object"):
        plain({"a": object()})
