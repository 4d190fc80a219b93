"""The job that is measured beside other engines is done to the letter."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from benchmarks import peer_job
from engine.clock import Pace

COUNT = 6000
CASH, FEE, FRACTION = 1e8, 0.001, 0.95


class Done(NamedTuple):
    trades: int
    equity: float


@pytest.fixture(scope="module")
def market() -> pd.DataFrame:
    """A year's pace of prices in one-minute bars, each opening where the last one closed."""
    rng = np.random.default_rng(7)
    steps = rng.standard_normal((COUNT, 6)) * (0.70 / np.sqrt(525_600 * 6))
    path = 100.0 * np.exp(np.cumsum(steps.ravel())).reshape(COUNT, 6)
    close = np.round(path[:, -1], 4)
    open_ = np.concatenate([[100.0], close[:-1]])
    columns = {
        "open": open_,
        "high": np.maximum(path.max(axis=1).round(4), np.maximum(open_, close)),
        "low": np.minimum(path.min(axis=1).round(4), np.minimum(open_, close)),
        "close": close,
        "volume": np.round(1e8 * rng.lognormal(0.0, 0.4, COUNT)),
    }
    index = pd.date_range("2024-01-01", periods=COUNT, freq="1min", name="ts")
    return pd.DataFrame(columns, index=index.astype("datetime64[ns]"))


def columns_of(market: pd.DataFrame) -> dict[str, np.ndarray]:
    prices = {str(name): market[name].to_numpy() for name in market}
    return {"ts": market.index.to_numpy(), **prices}


def wilder(values: np.ndarray) -> np.ndarray:
    out = np.full(len(values), np.nan)
    out[13] = values[:14].mean()
    for i in range(14, len(values)):
        out[i] = (out[i - 1] * 13 + values[i]) / 14
    return out


def ema(values: np.ndarray, period: int) -> np.ndarray:
    return pd.Series(values).ewm(span=period, adjust=False).mean().to_numpy()


def scores(market: pd.DataFrame) -> np.ndarray:
    """Return the score of every bar, reckoned without TA-Lib."""
    close = market["close"]
    change = np.diff(close)
    up, down = wilder(np.clip(change, 0, None)), wilder(np.clip(-change, 0, None))
    rsi = np.concatenate([[np.nan], 100 * up / (up + down)])
    window = close.rolling(20)
    line = ema(close.to_numpy(), 12) - ema(close.to_numpy(), 26)
    histogram = line - ema(line, 9)
    low, high = market["low"].rolling(14).min(), market["high"].rolling(14).max()
    slow_k = (100 * (close - low) / (high - low)).rolling(3).mean()
    score = 2 * (close <= window.mean() - 2 * window.std(ddof=0)).to_numpy().astype(int)
    score += (market["volume"] > 1.5 * market["volume"].rolling(20).mean()).to_numpy()
    score += np.diff(histogram, prepend=np.nan) > 0
    score += (slow_k < 20).to_numpy()
    return np.where(rsi < 30, score + 3, 0)


def by_hand(market: pd.DataFrame) -> Done:
    """Do the job in a plain loop; what is open at the end is closed and paid for."""
    open_, close = market["open"].to_numpy(), market["close"].to_numpy()
    score = scores(market)
    cash, units, paid, entered, due, trades = CASH, 0.0, 0.0, 0, 0.0, 0
    for i in range(len(close)):
        if due:
            cash -= due * open_[i] + abs(due) * open_[i] * FEE
            units += due
            trades += due < 0
            paid, entered, due = (open_[i], i, 0.0) if units else (0.0, 0, 0.0)
        if units:
            far = close[i] >= paid * 1.006 or close[i] <= paid * 0.996
            due = -units if far or i - entered >= 30 else 0.0
        elif i >= 300 and score[i] >= 6:
            due = float(math.floor(cash * FRACTION / close[i]))
    if units:
        cash += units * close[-1] * (1 - FEE)
        trades += 1
    return Done(trades, cash)


@pytest.mark.parametrize("clock", ["sparse", "dense", "audit"])
def test_the_job_is_what_a_plain_loop_makes_of_it(market: pd.DataFrame, clock: Pace) -> None:
    execution, _, phases = peer_job.job(columns_of(market), clock)
    expected = by_hand(market)
    assert expected.trades > 20
    assert len(execution.trades) == expected.trades
    assert execution.equity.equity[-1] == pytest.approx(expected.equity, rel=1e-12)
    assert execution.clock.kind == clock
    assert phases.cpu["run"] == sum(phases.cpu[n] for n in ("feed", "indicators", "loop", "stats"))


@pytest.mark.parametrize("left", [5, 2, 1, 0])
def test_a_position_that_the_data_end_in_is_closed(market: pd.DataFrame, left: int) -> None:
    last_entry = np.flatnonzero(scores(market) >= 6)[-1]
    cut = market.iloc[: last_entry + 1 + left]
    execution, _, _ = peer_job.job(columns_of(cut), "sparse")
    expected = by_hand(cut)
    assert len(execution.trades) == expected.trades
    assert execution.equity.equity[-1] == pytest.approx(expected.equity, rel=1e-12)


def test_the_line_has_what_the_peers_say(
    market: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    market.to_parquet(tmp_path / f"bars_{COUNT}.parquet")
    monkeypatch.setenv("PEERS_DATA", str(tmp_path))
    assert peer_job.main([str(COUNT)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("@@")
    record = json.loads(line[2:])
    assert (record["engine"], record["variant"], record["n"]) == ("tandem", "sparse", COUNT)
    assert record["trades"] == by_hand(market).trades
    assert {*record["cpu"]} == {*record["wall"]} >= {"feed", "indicators", "loop", "stats", "run"}
    assert record["moments_run"] < COUNT / 4


def test_missing_bars_are_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PEERS_DATA", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        peer_job.main(["77"])
    assert stopped.value.code == 2
    assert "set PEERS_DATA" in capsys.readouterr().err


def test_the_sharpe_ratio_counts_a_last_part_of_a_day() -> None:
    days = np.array([1.01, 0.99, 1.02])
    ends = peer_job.CASH * np.cumprod(days)
    equity = np.concatenate([np.repeat(ends[:2], 1440), ends[2:]])
    returns = days - 1
    expected = returns.mean() / returns.std() * np.sqrt(365)
    assert peer_job.daily_sharpe(equity) == pytest.approx(expected)
