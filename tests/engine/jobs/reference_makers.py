"""Small references for tests of the comparison."""

from collections.abc import Sequence

import numpy as np

from engine.jobs.comparing.gates import Ranking
from engine.jobs.comparing.references import References
from engine.replay import Replayed
from engine.statistics.trials import Trials
from tests.engine.run_makers import make_curve

FIRST = np.datetime64("2024-01-01", "ms")
DAYS = 60
ALONE = Trials(count=1, sharpes=(0.0,), unreadable=0)


def make_replayed(returns: Sequence[float] = (), *, stake: float = 100.0) -> Replayed:
    """Return a run of trades of the same stake, spread over the days."""
    values = np.asarray(returns, np.float64)
    apart = np.timedelta64(DAYS, "D").astype("timedelta64[ms]") / max(1, len(values))
    worth = 1000.0 + np.cumsum(values * stake)
    return Replayed(
        symbol=["BTC/USDT"] * len(values),
        decided_at=FIRST + np.arange(len(values)) * apart,
        units=np.ones(len(values)),
        entry_price=np.full(len(values), stake),
        exit_price=stake * (1.0 + values),
        pnl=values * stake,
        returns=values,
        reason=np.zeros(len(values), np.int64),
        equity=make_curve([1000.0, *worth]),
    )


def make_references(*random: Replayed, volatility: Replayed | None = None) -> References:
    """Return references; without runs, gates that never trade."""
    return References(
        first=FIRST,
        last=FIRST + np.timedelta64(DAYS, "D"),
        cash=1000.0,
        random=random or [make_replayed()],
        ranking=Ranking("volatility_20", calmest=False, monthly=False),
        volatility=volatility or make_replayed(),
        held=make_curve([1000.0, 1100.0, 990.0]),
    )
