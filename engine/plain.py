"""Values in JSON's own types, so that a document can be printed and read anywhere."""

import datetime as dt
import math
import os
from collections.abc import Mapping
from enum import Enum
from functools import singledispatch
from typing import Any

import numpy as np


@singledispatch
def plain(value: object) -> Any:
    """Return the value in JSON's own types; what is not finite or not a time is None.

    Moments are text in ISO form, UTC; enumerations are their values.

    Raises
    ------
    TypeError : for a value of any other type

    >>> plain({"sharpe": float("nan"), "at": np.datetime64("2024-01-01T00:05", "ms")})
    {'sharpe': None, 'at': '2024-01-01T00:05:00Z'}
    """
    raise TypeError(f"a result must be made of JSON's types, found {type(value).__name__}")


@plain.register
def _(value: bool | int | None) -> Any:
    return value


@plain.register
def _(value: str) -> Any:
    return str(value)


@plain.register
def _(value: float) -> Any:
    return float(value) if math.isfinite(value) else None


@plain.register
def _(value: np.generic | np.ndarray) -> Any:
    return plain(value.tolist())


@plain.register
def _(value: np.datetime64) -> Any:
    return moment(value)


@plain.register
def _(value: dt.date) -> Any:
    return value.isoformat()


@plain.register
def _(value: Enum) -> Any:
    return plain(value.value)


@plain.register(os.PathLike)
def _(value: os.PathLike[str]) -> Any:
    return os.fspath(value)


@plain.register(list)
@plain.register(tuple)
def _(value: list[Any] | tuple[Any, ...]) -> Any:
    return [plain(item) for item in value]


@plain.register(Mapping)
def _(value: Mapping[Any, Any]) -> Any:
    return {str(plain(key)): plain(item) for key, item in value.items()}


def moment(value: np.datetime64) -> str | None:
    """Return a UTC moment as text, to the second; None for "not a time".

    >>> moment(np.datetime64("2024-01-01", "ms"))
    '2024-01-01T00:00:00Z'
    """
    return None if np.isnat(value) else f"{value.astype('datetime64[s]')}Z"
