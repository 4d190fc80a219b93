"""Values as text come back as they were, and the text is JSON that anybody can read."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.paper.typed_text import from_text, to_text
from tests.engine.paper.test_state import bits

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.dictionaries(st.sampled_from(["$float", "$time", "$pairs"]), inner)
    ),
    max_leaves=10,
)


@given(plain_values)
def test_any_value_comes_back_bit_by_bit(value: Any) -> None:
    text = to_text(value)
    json.loads(text, parse_constant=pytest.fail)  # NaN is not JSON
    assert bits(from_text(text)) == bits(value)


@pytest.mark.parametrize(
    "moment",
    [
        np.datetime64("2024-01-01T00:05:00.250", "ms"),
        np.datetime64("1969-12-31", "D"),
        np.datetime64("2024-01-01T00:00:00.000000001", "ns"),
        np.datetime64("NaT", "s"),
    ],
)
def test_a_moment_comes_back_with_its_unit(moment: np.datetime64) -> None:
    found = from_text(to_text([moment]))[0]
    assert found.dtype == moment.dtype
    assert found == moment or (np.isnat(found) and np.isnat(moment))


def test_numpys_scalars_and_other_keys_come_back_plain() -> None:
    value = {1: np.float64(0.1), np.int64(2): np.int64(3), None: (np.bool_(True), np.float32(0.5))}
    assert bits(from_text(to_text(value))) == bits({1: 0.1, 2: 3, None: [True, 0.5]})


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes", {"a": [1j]}])
def test_what_cannot_come_back_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="must be plain"):
        to_text(value)


def test_text_runs_nothing() -> None:
    assert from_text('{"__reduce__":["os.system",["true"]],"py/object":"os"}') == {
        "__reduce__": ["os.system", ["true"]],
        "py/object": "os",
    }
