"""One run of a plain strategy of backtrader on the Engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import pandas as pd

from engine.cerebro import Engine, Execution
from engine.errors import RunError
from engine.jobs.hybrid_run import HybridRun
from engine.jobs.markets import Market
from engine.jobs.settings import PlainSettings
from feeds.messages import first_line
from strategies.catalog import params_of
from strategies.rule_books import own_class
from strategies.views import OpinionSource

ASKS = "analyzer"  # the parameter by which a strategy says that it asks an ensemble


@dataclass(frozen=True, slots=True)
class PlainStrategy:
    """The class and what settings say of its parameters."""

    name: str
    found: type[bt.Strategy]
    params: dict[str, Any]
    asks: bool

    @classmethod
    def of(cls, settings: PlainSettings) -> "PlainStrategy":
        """Return the strategy of the settings."""
        own = own_class(settings.strategy.file, settings.strategy.digest)
        return cls(own.name, own.found, dict(settings.strategy.params), ASKS in params_of(own))


def execute(
    strategy: PlainStrategy,
    markets: Sequence[Market],
    settings: PlainSettings,
    ensemble: OpinionSource | None,
) -> Execution:
    """Run the strategy on every bar; it asks the ensemble if there is one.

    Raises
    ------
    RunError
        if the strategy fails
    """
    engine = Engine(cash=settings.broker.cash, costs=settings.costs, rules=settings.symbols)
    for market in markets:
        engine.add_bars(market.bars, first=market.first)
    asks = {ASKS: ensemble} if strategy.asks else {}
    try:
        return engine.execute(strategy.found, **strategy.params, **asks)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"{settings.strategy.file}: the strategy failed, {type(error).__name__}: "
            f"{first_line(error)}"
        ) from error


def as_run(execution: Execution, *, asked: int, unavailable: int) -> HybridRun:
    """Return the run in the form of results of record: without candidate bars or vetoes."""
    return HybridRun(
        execution=execution,
        decisions=pd.DataFrame(),
        vetoes={},
        ml_asked=asked,
        ml_unavailable=unavailable,
    )
