"""Markets of which the truth is known: an edge is found, volatility is not sold as one."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.jobs.backtest import runs
from engine.jobs.markets import Market
from engine.jobs.request_record import OtherRecord, RequestRecord
from engine.jobs.run_report import RunContext
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings, load_settings
from feeds.bars import Bars, FloatArray, IntArray
from feeds.timeframe import Timeframe
from feeds.windows import deviation
from ml.labels import barrier_labels
from strategies.evidence import evidence_table
from tests.engine.jobs.opinion_makers import Planted

N = 9_000
FRAME = Timeframe.parse("15m")


def settings_of(seed: int) -> Settings:
    """Return settings under which ML-off takes every candidate and ML the ones it likes."""
    return load_settings(
        overrides={
            "seed": seed,
            "broker": {"range_slippage": 0.0},
            "strategy": {
                "rsi_oversold": 40.0,
                "min_entry_score": 2.0,
                "points": {"ml_avoid": -20.0, "ml_neutral": -20.0},
                "exits": {"take_profit": 1.0, "stop_loss": 1.0, "max_bars": 12},
            },
            "statistics": {"gate_seeds": 20},
        }
    )


def market(seed: int, *, drift: float = 0.0) -> Bars:
    """Return a walk with stochastic volatility.

    Parameters
    ----------
    drift : mean of the next bar's log return where the last 20 bars were wilder than usual, and
        less that where they were calmer: all that there is to know is volatility
    """
    rng = np.random.default_rng(seed)
    log_sigma = np.empty(N)
    log_sigma[0] = 0.0
    shocks = rng.normal(0.0, 0.1, N)
    for i in range(1, N):
        log_sigma[i] = 0.98 * log_sigma[i - 1] + shocks[i]
    moves = 0.003 * np.exp(log_sigma) * rng.normal(size=N)
    recent = deviation(moves, 20)
    wild = recent > np.nanmedian(recent)
    moves[1:] += np.where(wild[:-1], drift, -drift)
    close = 100.0 * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[100.0], close[:-1]])
    reach = np.abs(rng.normal(0.0, 0.001, (2, N)))
    return Bars(
        symbol="A/USDT",
        timeframe=FRAME,
        time=np.datetime64("2023-01-01", "ms") + np.arange(N) * FRAME.delta,
        open=open_,
        high=np.maximum(open_, close) * (1.0 + reach[0]),
        low=np.minimum(open_, close) * (1.0 - reach[1]),
        close=close,
        volume=rng.lognormal(3.0, 0.5, N),
        filled=np.zeros(N, np.bool_),
        segment=np.zeros(N, np.int64),
    )


@dataclass(frozen=True, slots=True)
class Says:
    """What an ensemble says of a market: ranks of a signal, as probabilities."""

    settings: Settings
    signal: Callable[["Says", Bars], FloatArray]
    noise: float
    seed: int

    def __call__(self, bars: Bars, rows: IntArray) -> FloatArray:
        rng = np.random.default_rng(self.seed)
        seen = self.signal(self, bars)[rows]
        spread = float(np.nanstd(seen)) or 1.0
        heard = seen / spread + self.noise * rng.normal(size=len(rows))
        place = np.argsort(np.argsort(heard))
        return place / max(1, len(rows) - 1)


def nothing(_says: Says, bars: Bars) -> FloatArray:
    return np.zeros(len(bars))


def volatility(_says: Says, bars: Bars) -> FloatArray:
    moves = np.diff(np.log(bars.close), prepend=np.nan)
    return deviation(moves, 20)


def outcome(says: Says, bars: Bars) -> FloatArray:
    """What the strategy's exits will come to: no one can know it, which is why it is an edge."""
    chosen = says.settings
    exits = chosen.strategy.exits
    labels = barrier_labels(
        bars,
        exits.fractions(evidence_table(bars, chosen.strategy).values["atr_fraction"]),
        max_bars=exits.max_bars,
        costs=chosen.costs,
    )
    return np.nan_to_num(labels.outcome)


def compared(
    out: Path, bars: Bars, signal: Callable[[Says, Bars], FloatArray], *, noise: float, seed: int
) -> dict[str, Any]:
    """Return the comparison of a command that asks such an ensemble."""
    settings = settings_of(seed)
    asked: Any = Planted(Says(settings, signal, noise, seed))
    record = RequestRecord(command="backtest", bars=OtherRecord(), ml=MLMode.COMPARE)
    report = runs(RunContext(settings, [Market(bars, 400)], asked, out, record), MLMode.COMPARE)
    found = dict(report.comparison or {})
    assert report.text().splitlines()[3].startswith(found["verdict"][:20])
    return found


def test_a_planted_edge_is_found(tmp_path: Path) -> None:
    found = compared(tmp_path, market(1), outcome, noise=1.0, seed=1)
    assert found["ml_helps"]
    assert found["verdict"].startswith("ML helps: ")
    assert found["random_gate"]["share_of_seeds_below_on"] == 1.0


def test_what_volatility_explains_is_not_sold_as_an_edge(tmp_path: Path) -> None:
    found = compared(tmp_path, market(2, drift=0.001), volatility, noise=0.3, seed=2)
    pairs = found["intervals"]["pairs"]
    assert pairs["on_less_off"]["expectancy"]["low"] > 0
    assert pairs["on_less_random_gate"]["expectancy"]["low"] > 0
    assert not found["ml_helps"]
    assert found["verdict"].startswith("No evidence that ML helps: ")
    assert "the volatility gate" in found["verdict"]
    assert "the random gate" not in found["verdict"]


def test_opinions_by_lot_are_no_evidence(tmp_path: Path) -> None:
    found = compared(tmp_path, market(10), nothing, noise=1.0, seed=1)
    assert not found["ml_helps"]
    assert found["verdict"].startswith("No evidence that ML helps: ")


@pytest.mark.slow
def test_chance_is_hardly_ever_taken_for_help(tmp_path: Path) -> None:
    helped = [
        compared(tmp_path, market(100 + seed), nothing, noise=1.0, seed=seed)["ml_helps"]
        for seed in range(40)
    ]
    # Each of the three differences is above zero by chance in 1 of 40, and they go together.
    assert sum(helped) <= 4  # more than that happen once in 300 times
