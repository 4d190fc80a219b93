"""Arithmetic whose last bits are the same on any machine."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Hold BLAS to one thread while the block runs.

    How many threads share a product decides the order in which it is added up, so its last bits,
    and with them the hash of a result.
    """
    limited: AbstractContextManager[Any] = _blas().limit(limits=1)
    return limited


@cache
def _blas() -> Any:
    return ThreadpoolController().select(user_api="blas")
