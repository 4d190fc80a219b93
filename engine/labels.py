"""What figures and runs are called: on the console, on the page, and in documents alike.

One name for each figure, and two for two that differ only in how they are reckoned: the profit
factor of money is not that of returns, the mean of the random gate's shuffles is not the gate that
pools them.
"""

from collections.abc import Mapping
from types import MappingProxyType

# The names of `engine.metrics.Metrics`, and of what stands beside them in metrics.json.
FIGURES: Mapping[str, str] = MappingProxyType(
    {
        "trades": "Trades",
        "win_rate": "Win rate",
        "profit_factor": "Profit factor",
        "expectancy": "Expectancy per trade",
        "expectancy_quote": "Net profit per trade",
        "average_win": "Average win",
        "average_loss": "Average loss",
        "longest_losing_streak": "Most losses in a row",
        "sqn": "System quality (SQN)",
        "total_return": "Total return",
        "buy_and_hold": "Buy and hold, no costs",
        "cagr": "Growth per year (CAGR)",
        "volatility": "Volatility per year",
        "sharpe": "Sharpe ratio",
        "sortino": "Sortino ratio",
        "calmar": "Calmar ratio",
        "max_drawdown": "Largest drawdown",
        "max_drawdown_days": "Largest drawdown, length",
        "exposure": "Exposure",
        "turnover": "Turnover",
        "fees_paid": "Fees paid",
        "pnl": "Net profit",
    }
)
# That of an interval: from the trades' returns, each trade weighing the same.
PROFIT_FACTOR_OF_RETURNS = "Profit factor of returns"
# The figures of an interval, by the names of metrics.json.
OF_INTERVALS: Mapping[str, str] = MappingProxyType(
    {
        "expectancy": FIGURES["expectancy"],
        "win_rate": FIGURES["win_rate"],
        "profit_factor": PROFIT_FACTOR_OF_RETURNS,
    }
)

HELD = "Buy and hold, after costs"  # without them it is a figure of every run
VOLATILITY_GATE = "Volatility gate"
RANDOM_MEAN = "Random gate, mean"  # of the figures of its shuffles
RANDOM_POOLED = "Random gate, pooled"  # figures of the trades of all shuffles together
MOST_SHUFFLES = 0.9  # the share of shuffles between the 5th and the 95th hundredth

_MEASURES = {
    "volatility_20": "the deviation of the last 20 returns",
    "atr_fraction": "ATR(14), the mean range of a bar, as a fraction of the close",
}


def ranking_words(ranking: str) -> str:
    """Return in words how the volatility gate hands the opinions out.

    Parameters
    ----------
    ranking : as metrics.json has it: a measure, who comes first, within what; another is told as
        it stands

    >>> ranking_words("volatility_20, wildest first, over the run")
    'the highest opinions at the wildest bars of the run, by the deviation of the last 20 returns'
    """
    measure, _, order = ranking.partition(", ")
    first, _, within = order.partition(", ")
    if measure not in _MEASURES or within not in {"by month", "over the run"}:
        return ranking
    which = first.removesuffix(" first")
    part = "each month" if within == "by month" else "the run"
    return f"the highest opinions at the {which} bars of {part}, by {_MEASURES[measure]}"
