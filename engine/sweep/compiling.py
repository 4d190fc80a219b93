"""Numba's decorator, for the parts of the loop."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Part = TypeVar("Part", bound=Callable[..., Any])


def part(function: Part) -> Part:
    """Let a function be compiled into the loop that calls it; it is not kept by itself."""
    made: Part = njit(error_model="numpy")(function)
    return made
