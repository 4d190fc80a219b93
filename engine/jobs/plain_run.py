"""One run of a plain strategy of backtrader on the Engine.

Nobody has audited what such a strategy reads, so its bars unfold one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import pandas as pd

from engine.cerebro import Engine, Execution
from engine.errors import EngineError, RunError
from engine.jobs.heard import AskedOtherwiseError, HeardEnsemble
from engine.jobs.hybrid_run import HybridRun
from engine.jobs.markets import Market
from engine.jobs.plain_ensemble import EnsembleAhead
from engine.jobs.settings import PlainSettings
from feeds.errors import FeedError
from feeds.python_file import failure
from ml.errors import MLError
from strategies.catalog import params_of
from strategies.errors import StrategyError
from strategies.own_file import OwnFile
from strategies.rule_books import own_class
from strategies.views import OpinionSource

ASKS = "analyzer"  # the parameter by which a strategy says that it asks an ensemble


@dataclass(frozen=True, slots=True)
class PlainStrategy:
    """The class and what settings say of its parameters."""

    own: OwnFile
    params: dict[str, Any]
    asks: bool

    @property
    def name(self) -> str:
        """The name of the class."""
        return self.own.name

    @classmethod
    def of(cls, settings: PlainSettings) -> "PlainStrategy":
        """Return the strategy of the settings."""
        own = own_class(settings.strategy.file, settings.strategy.digest)
        return cls(own, dict(settings.strategy.params), ASKS in params_of(own))


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
        if the strategy fails, or reads a bar that is still to come
    """
    engine = Engine(cash=settings.broker.cash, costs=settings.costs, rules=settings.symbols)
    engine.add_unfolding([(market.bars, market.first) for market in markets])
    asks = {ASKS: _ahead(markets, ensemble)} if strategy.asks else {}
    try:
        return engine.execute(strategy.own.found, **strategy.params, **asks)
    except (EngineError, StrategyError, MLError, FeedError, AskedOtherwiseError):
        raise
    except (Exception, SystemExit) as error:  # whatever the file does is told as its own
        if not _is_theirs(error, strategy.own.path):
            raise
        raise RunError(f"{strategy.own.text}: {_failure(error, strategy.own.path)}") from error


def _ahead(markets: Sequence[Market], ensemble: OpinionSource | None) -> EnsembleAhead | None:
    if ensemble is None:
        return None
    return EnsembleAhead(markets, ensemble, checks=isinstance(ensemble, HeardEnsemble))


def _is_theirs(error: BaseException, path: Path) -> bool:
    """Return whether the error came through the user's file, or out of backtrader.

    Indicators fail where backtrader calls them, and with them whoever gave them these lines.
    """
    frames = [frame.filename for frame in extract_tb(error.__traceback__)]
    return str(path) in frames or "backtrader" in Path(frames[-1]).parts


def _failure(error: BaseException, path: Path) -> str:
    told = f"the strategy failed, {failure(path, error)}"
    frames = extract_tb(error.__traceback__)
    if isinstance(error, IndexError) and frames[-1].filename.endswith("linebuffer.py"):
        return (
            f"{told}: there is no such bar yet; [0] is the bar that has just closed, [-1] the one "
            "before it, and [1] is still to come"
        )
    if isinstance(error, AttributeError) and "recorded" in str(error):
        return f"{told}: the bars to come are not shown; data.window(n) has the last n bars"
    return told


def as_run(execution: Execution, *, asked: int, unavailable: int) -> HybridRun:
    """Return the run in the form of results of record: without candidate bars or vetoes."""
    return HybridRun(
        execution=execution,
        decisions=pd.DataFrame(),
        vetoes={},
        ml_asked=asked,
        ml_unavailable=unavailable,
    )
