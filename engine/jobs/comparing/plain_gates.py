"""The gates of a plain strategy: it runs again, its ensemble's opinions handed out without skill.

As `engine.jobs.comparing.gates` does for rules, whose runs are told without the engine. Of a plain
strategy nobody knows what it does with an opinion, so every gate is a run of its own.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np

from engine.cerebro import Execution
from engine.jobs.comparing.gates import (
    RANKINGS,
    Candidates,
    Ranking,
    merit,
    shuffle_order,
    volatility_of,
    volatility_order,
)
from engine.jobs.comparing.references import References, held
from engine.jobs.heard import Question, RepeatedEnsemble
from engine.jobs.markets import Market
from engine.jobs.settings import PlainSettings
from engine.replay import Replayed
from feeds.bars import IntArray
from feeds.progress import progress
from ml.prediction import Prediction
from strategies.views import OpinionSource

log = logging.getLogger("tandem.run")

_RANDOM, _VOLATILITY = 0, 1

Runs = Callable[[OpinionSource], Execution]
"""(ensemble to ask) -> the run."""


def plain_references(
    markets: Sequence[Market],
    questions: Sequence[Question],
    settings: PlainSettings,
    run: Runs,
) -> References:
    """Run the gates of a plain strategy, and hold.

    Parameters
    ----------
    questions : what ML-on asked, and the answers
    run : makes the strategy's run with another ensemble
    """
    seeds = settings.statistics.gate_seeds
    with progress("gates", total=seeds + len(RANKINGS), unit="runs") as advance:

        def gate(order: Callable[[Candidates], IntArray]) -> Replayed:
            done = run(RepeatedEnsemble(questions, lambda question: _order(question, order)))
            advance()
            return _replayed(done)

        random = [gate(_shuffled(settings.seed, number)) for number in range(seeds)]
        ranked = [(each, gate(_by_volatility(settings.seed, each))) for each in RANKINGS]
    ranking, volatility = max(ranked, key=lambda each: merit(each[1]))
    return References(
        first=min(market.decided[0] for market in markets),
        last=max(market.decided[-1] for market in markets),
        cash=settings.broker.cash,
        random=random,
        ranking=ranking,
        volatility=volatility,
        held=held(markets, cash=settings.broker.cash, costs=settings.costs),
    )


def _shuffled(seed: int, number: int) -> Callable[[Candidates], IntArray]:
    rng = np.random.default_rng([seed, _RANDOM, number])
    return lambda own: shuffle_order(own, rng)


def _by_volatility(seed: int, ranking: Ranking) -> Callable[[Candidates], IntArray]:
    rng = np.random.default_rng([seed, _VOLATILITY])
    return lambda own: volatility_order(own, ranking, rng)


def _order(question: Question, order: Callable[[Candidates], IntArray]) -> IntArray:
    """Return for each bar that was asked about which opinion it gets; those without keep none."""
    answered = np.flatnonzero([isinstance(o, Prediction) for o in question.opinions])
    given = np.arange(len(question.rows))
    given[answered] = answered[order(_answered(question, answered))]
    return given


def _answered(question: Question, answered: IntArray) -> Candidates:
    bars = question.rows[answered]
    said = (question.opinions[place] for place in answered.tolist())
    probability = np.array([o.probability for o in said if isinstance(o, Prediction)], np.float64)
    closed = question.bars.closed_at[bars]
    return Candidates(
        rows=bars,
        technical=np.zeros(len(bars)),
        answered=np.arange(len(bars)),
        points=probability,
        probability=probability,
        month=closed.astype("datetime64[M]").astype(np.int64),
        volatility=volatility_of(question.bars, bars),
    )


def _replayed(run: Execution) -> Replayed:
    """Return the trades of a run as columns; a plain strategy's exits have no reasons of ours."""
    trades = run.trades
    columns = {
        name: np.array([getattr(trade, name) for trade in trades], np.float64)
        for name in ("units", "entry_price", "exit_price", "pnl")
    }
    return Replayed(
        symbol=[trade.symbol for trade in trades],
        decided_at=np.array([trade.decided_at for trade in trades], "datetime64[ms]"),
        **columns,
        returns=np.array([trade.return_fraction for trade in trades], np.float64),
        reason=np.zeros(len(trades), np.int64),
        equity=run.equity,
    )
