"""What the best of many trials is worth: how much of it the choice explains."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.searching.trial import Trial
from engine.metrics import daily_returns
from engine.result import RunResult
from engine.statistics.overfitting import Overfitting, overfitting
from engine.statistics.sharpe import chance_variance, deflated_sharpe
from engine.statistics.trials import Key, Trials
from engine.statistics.trials import trials as looked_at
from feeds.bars import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What may be said of the best set.

    Attributes
    ----------
    deflated_sharpe : probability that its Sharpe ratio is skill, given how many were looked at
    looked_at : configurations on these bars, of this search and of all runs and searches that the
        folder of results knows
    overfitting : of choosing by the Sharpe ratio among the sets that are compared; None if
        undefined
    """

    deflated_sharpe: float | None
    looked_at: int
    overfitting: Overfitting | None

    @property
    def pbo(self) -> float | None:
        """The probability of backtest overfitting."""
        return None if self.overfitting is None else self.overfitting.probability

    def to_json(self) -> dict[str, Any]:
        """Return it in JSON's own types."""
        splits = None if self.overfitting is None else asdict(self.overfitting)
        return {
            "deflated_sharpe": self.deflated_sharpe,
            "looked_at": self.looked_at,
            "pbo": self.pbo,
            "overfitting": splits,
        }


def worth_of(
    trials: Sequence[Trial], best: Trial | None, out: Path, data: Mapping[str, Any]
) -> Worth:
    """Return what the best of the trials is worth.

    Parameters
    ----------
    out : the folder of results, which knows what else was looked at on these bars
    data : what the trials saw, as in `metrics.json`
    """
    # A set that hardly trades could not have been chosen; where all lose, it would be the best.
    daily = [t.outcome.daily for t in trials if t.outcome is not None and t.score is not None]
    chosen = np.empty(0) if best is None or best.outcome is None else best.outcome.daily
    return _worth(chosen, looked_at(out, data, []), overfitting(np.stack(daily)) if daily else None)


def worth_of_run(
    result: RunResult,
    cash: float,
    own: Sequence[Mapping[Key, float | None]],
    out: Path,
    data: Mapping[str, Any],
) -> Worth:
    """Return what a run is worth whose settings were chosen on other bars.

    What its own search looked at is counted as if it had been on the same bars, a set once for each
    window that tried it: that errs on the side of caution.

    Parameters
    ----------
    cash : that the account began with
    own : of each window, Sharpe ratio per year of each configuration that it chose among
    out, data : as in `worth_of`
    """
    daily = daily_returns(result.equity.time, result.equity.equity, cash)
    different = {key: sharpe for window in own for key, sharpe in window.items()}
    again = sum(map(len, own)) - len(different)
    known = looked_at(out, data, [result], different)
    return _worth(daily, replace(known, count=known.count + again), None)


def _worth(daily: FloatArray, tried: Trials, splits: Overfitting | None) -> Worth:
    deflated = deflated_sharpe(
        daily,
        tried.sharpes,
        count=tried.count,
        least_variance=chance_variance(len(daily)),
    )
    return Worth(deflated_sharpe=deflated, looked_at=tried.count, overfitting=splits)
