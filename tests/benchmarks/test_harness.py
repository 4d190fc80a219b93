"""What the measurements stand on: fits, medians, percentiles, memory, processes of their own."""

import mmap
import os

import numpy as np
import pytest

from benchmarks import engine_cost
from benchmarks.engine_cost import Run, model
from benchmarks.harness import fitted, in_child, latency, medians, seconds_of
from benchmarks.resident import forget_peak, now_mb, peak_mb

RUN, BAR, TRADE = 0.02, 8e-8, 3e-4


def planted(noise: float) -> list[Run]:
    rng = np.random.default_rng(1)
    return [
        Run(
            bars=bars,
            symbols=1,
            trades=bars // spacing if spacing else 0,
            rows=0,
            seconds=(RUN + BAR * bars + TRADE * (bars // spacing if spacing else 0))
            * (1 + noise * rng.standard_normal()),
            usual=True,
        )
        for bars in (131_400, 525_600, 2_102_400)
        for spacing in (0, 141, 600)
    ]


def test_a_fit_recovers_what_was_planted() -> None:
    found = model(planted(noise=0.0))
    assert found.seconds_per == pytest.approx({"run": RUN, "bar": BAR, "trade": TRADE})
    assert found.residual < 1e-9


def test_the_residual_says_how_noisy_the_runs_were() -> None:
    found = model(planted(noise=0.02))
    assert found.seconds_per["trade"] == pytest.approx(TRADE, rel=0.1)
    assert 0.001 < found.residual < 0.05


def test_a_cost_is_never_negative() -> None:
    found = fitted({"run": [1, 1, 1], "bar": [1, 2, 3]}, [3.0, 2.0, 1.0])
    assert min(found.seconds_per.values()) >= 0.0


def test_work_is_measured_in_cpu_and_interleaved() -> None:
    done: list[str] = []
    works = {name: lambda name=name: done.append(name) for name in ("a", "b")}
    assert set(medians(works, rounds=2)) == {"a", "b"}
    assert done == ["a", "b", "a", "b"]
    assert seconds_of(lambda: None) >= 0.0


def test_percentiles_of_a_latency() -> None:
    had = latency(np.arange(1, 102) / 1000)
    assert (had.p50, had.p99, had.worst, had.count) == (0.051, 0.1, 0.101, 101)


def test_the_peak_of_memory_is_counted_from_when_it_is_forgotten() -> None:
    forget_peak()
    before = now_mb()
    with mmap.mmap(-1, 64 << 20) as taken:  # from the system itself: no heap has it already
        np.frombuffer(taken, np.uint8).fill(1)
    assert peak_mb() - before == pytest.approx(64, abs=4)
    assert now_mb() - before < 32
    forget_peak()
    assert peak_mb() - before < 32


def test_a_child_is_another_process() -> None:
    assert in_child(os.getpid) != os.getpid()


def test_a_plan_leaves_each_trade_its_room() -> None:
    plan = engine_cost.plan_of(1000, 60)
    assert len(plan) == 120
    assert min(np.diff(plan)) >= 1
    assert plan[-1] < 1000 - 2
