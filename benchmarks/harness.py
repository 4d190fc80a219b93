"""How things are measured: CPU seconds, fits of them, latencies, and processes of their own.

CPU seconds are those of all threads. Work that is compared is interleaved, so that what else the
machine does falls on all of it alike.
"""

import gc
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import Any, TypeAlias, TypeVar

import numpy as np
from scipy.optimize import nnls

from feeds.bars import FloatArray

Result = TypeVar("Result")
Name = TypeVar("Name", bound=Hashable)
Work: TypeAlias = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Fit:
    """Seconds as a sum of terms.

    Attributes
    ----------
    seconds_per : of one of each term
    residual : what the runs differ from it, without sign, as a fraction of the seconds of all runs
    """

    seconds_per: Mapping[str, float]
    residual: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall seconds from one moment to another, over many moments."""

    p50: float
    p99: float
    worst: float
    count: int


def seconds_of(work: Work) -> float:
    """Return the CPU seconds that the work takes, with nothing left over to clean up before it."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def medians(works: Mapping[Name, Work], rounds: int) -> dict[Name, float]:
    """Return the median CPU seconds of each work over interleaved rounds.

    Compiled code must have been loaded before: there is no round that does not count.
    """
    taken: dict[Name, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            taken[name].append(seconds_of(work))
    return {name: median(each) for name, each in taken.items()}


def fitted(terms: Mapping[str, Sequence[float]], seconds: Sequence[float]) -> Fit:
    """Return the non-negative least squares, a run of twice the seconds with twice the variance.

    Parameters
    ----------
    terms : by name, how many of it each run had
    seconds : of each run

    Examples
    --------
    >>> found = fitted({"run": [1, 1, 1], "bar": [10, 20, 40]}, [3.0, 4.0, 6.0])
    >>> {name: round(each, 6) for name, each in found.seconds_per.items()}
    {'run': 2.0, 'bar': 0.1}
    """
    taken = np.asarray(seconds, np.float64)
    parts = np.array([terms[name] for name in terms], np.float64).T
    deviation = np.sqrt(taken)
    found, _ = nnls(parts / deviation[:, None], taken / deviation)
    missed = np.abs(parts @ found - taken).sum() / taken.sum()
    return Fit(dict(zip(terms, found.tolist(), strict=True)), float(missed))


def latency(seconds: FloatArray | Sequence[float]) -> Latency:
    """Return the percentiles of the seconds."""
    p50, p99 = np.percentile(seconds, [50, 99]).tolist()
    return Latency(p50, p99, float(np.max(seconds)), len(seconds))


def in_child(work: Callable[..., Result], *args: Any) -> Result:
    """Return what a function of a module gives in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args).result()
