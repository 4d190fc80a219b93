"""Numba's decorator, for the loop and its parts."""

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Part = TypeVar("Part", bound=Callable[..., Any])

# The loop hands some forty arrays from part to part. Each time Numba would count who refers to
# them, and copy them to the stack: ten times as slow. Nothing is made in the loop, so nobody has to
# count (`_nrt`; it would refuse to compile otherwise), and parts become one piece (`forceinline`).
_HOW: dict[str, Any] = {"error_model": "numpy", "_nrt": False}


def part(function: Part) -> Part:
    """Let a function be compiled into the loop that calls it; it is not kept by itself."""
    made: Part = njit(forceinline=True, **_HOW)(function)
    return made


def loop(function: Part) -> Part:
    """Compile a function that runs beside other threads, and keep it on disk."""
    made: Part = njit(cache=True, nogil=True, **_HOW)(function)
    return made
