"""Whole runs on markets of which the truth is known: an edge is found, volatility is not one."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from engine.jobs.backtest import runs
from engine.jobs.markets import Market
from engine.jobs.request_record import OtherRecord, RequestRecord
from engine.jobs.run_report import RunContext
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from feeds.bars import Bars, FloatArray, IntArray
from feeds.windows import deviation, mean
from tests.engine.jobs.opinion_makers import Planted, Say
from tests.makers import make_bars
from tests.truth.worlds import driftless, planted

SIMULATED = "On a simulated market: "
ONE = ("BTC/USDT",)


def settings_of(seed: int) -> Settings:
    """Return settings under which ML-off takes every candidate and ML the ones it likes."""
    return load_settings(
        overrides={
            "seed": seed,
            "strategy": {
                "rsi_oversold": 40.0,
                "min_entry_score": 2.0,
                "points": {"ml_avoid": -20.0, "ml_neutral": -20.0},
                "exits": {"take_profit": 1.0, "stop_loss": 1.0, "max_bars": 24},
            },
            "statistics": {"gate_seeds": 20},
        }
    )


def told_by_volatility(seed: int, *, n: int = 9_000, drift: float = 0.001) -> Bars:
    """Return a market that drifts up after wild bars and down after calm ones.

    Unlike `tests.truth.worlds.volatile` it lets the rule know: what decides is the deviation of the
    last 20 bars itself.
    """
    rng = np.random.default_rng(seed)
    shocks, log_deviation = rng.normal(0.0, 0.1, n), np.zeros(n)
    for i in range(1, n):
        log_deviation[i] = 0.98 * log_deviation[i - 1] + shocks[i]
    moves = 0.003 * np.exp(log_deviation) * rng.normal(size=n)
    recent = deviation(moves, 20)
    moves[1:] += np.where(recent > np.nanmedian(recent), drift, -drift)[:-1]
    close = 100.0 * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[100.0], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.001, (2, n)))
    shape = make_bars(n, timeframe="15m", start="2023-01-01")
    return replace(
        shape,
        open=open_,
        high=np.maximum(open_, close) * (1.0 + reach[0]),
        low=np.minimum(open_, close) * (1.0 - reach[1]),
        close=close,
        synthetic=True,
    )


def nothing(bars: Bars) -> FloatArray:
    return np.zeros(len(bars))


def volatility(bars: Bars) -> FloatArray:
    return deviation(np.diff(np.log(bars.close), prepend=np.nan), 20)


def foretold(bars: Bars) -> FloatArray:
    """Return the change over the next hour: an edge that no volatility has, as nobody has it."""
    ahead = np.append(bars.close[12:], np.full(12, bars.close[-1]))
    return np.log(ahead / bars.close)


def lively(bars: Bars) -> FloatArray:
    """Return the volume of the last hour against the usual one: what tells of a drift."""
    volume = np.log(bars.volume)
    return mean(volume, 12) - mean(volume, 288)


Signal: TypeAlias = Callable[[Bars], FloatArray]


def heard(signal: Signal, noise: float, seed: int) -> Say:
    """Return an ensemble that says the ranks of a signal which it hears through noise."""

    def say(bars: Bars, rows: IntArray) -> FloatArray:
        rng = np.random.default_rng([seed, len(rows)])
        there = signal(bars)[rows]
        loud = there / (float(np.nanstd(there)) or 1.0) + noise * rng.normal(size=len(rows))
        return np.argsort(np.argsort(loud)) / max(1, len(rows) - 1)

    return say


def compared(
    out: Path, markets: Sequence[Bars], signal: Signal, *, noise: float, seed: int
) -> dict[str, Any]:
    """Return the comparison of a command that asks such an ensemble."""
    settings = settings_of(seed)
    asked: Any = Planted(heard(signal, noise, seed))
    record = RequestRecord(command="backtest", bars=OtherRecord(), ml=MLMode.COMPARE)
    shown = [Market(bars, 400) for bars in markets]
    report = runs(RunContext(settings, shown, asked, out, record), MLMode.COMPARE)
    assert report.comparison is not None
    return dict(report.comparison)


def test_a_planted_edge_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, driftless(1, days=90, symbols=ONE), foretold, noise=0.6, seed=1)
    assert found["ml_helps"]
    assert found["verdict"].startswith(f"{SIMULATED}ML helps: ")
    assert found["random_gate"]["share_of_seeds_below_on"] == 1.0


def test_what_volatility_explains_is_not_sold_as_an_edge(tmp_path: Path) -> None:
    found = compared(tmp_path, [told_by_volatility(2)], volatility, noise=0.3, seed=2)
    pairs = found["intervals"]["pairs"]
    assert pairs["on_less_off"]["expectancy"]["low"] > 0
    assert pairs["on_less_random_gate"]["expectancy"]["low"] > 0
    assert not found["ml_helps"]
    assert found["verdict"].startswith(f"{SIMULATED}No evidence that ML helps: ")
    assert "the volatility gate" in found["verdict"]
    assert "the random gate" not in found["verdict"]


def test_an_edge_that_calm_bars_have_too_is_not_sold_as_one(tmp_path: Path) -> None:
    # Drifts make bars oversold here, calm ones less so: volatility knows it, the other way round.
    found = compared(tmp_path, planted(1, days=90, symbols=ONE), lively, noise=0.3, seed=1)
    pairs = found["intervals"]["pairs"]
    assert pairs["on_less_off"]["expectancy"]["low"] > 0
    assert pairs["on_less_random_gate"]["expectancy"]["low"] > 0
    assert "calmest first" in found["volatility_gate"]["ranking"]
    assert not found["ml_helps"]


def test_opinions_by_lot_are_no_evidence(tmp_path: Path) -> None:
    found = compared(tmp_path, driftless(1, days=45, symbols=ONE), nothing, noise=1.0, seed=1)
    assert not found["ml_helps"]
    assert found["verdict"].startswith(f"{SIMULATED}No evidence that ML helps: ")


@pytest.mark.slow
def test_chance_is_hardly_ever_taken_for_help(tmp_path: Path) -> None:
    helped = [
        compared(tmp_path, driftless(seed, days=60, symbols=ONE), nothing, noise=1.0, seed=seed)[
            "ml_helps"
        ]
        for seed in range(40)
    ]
    # Each of the three differences is above zero by chance in 1 of 40, and they go together.
    assert sum(helped) <= 4  # more than that happen once in 300 times
