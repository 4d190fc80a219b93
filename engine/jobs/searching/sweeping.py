"""Sets in, figures out: what each of many settings would have come to on the markets of a search.

What depends on the market alone is computed once: the evidence for each way to see it, and the
ensemble's opinion on every candidate bar.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from engine.jobs.comparing.gates import replay_of
from engine.jobs.markets import Market
from engine.jobs.searching.trial import Figures, Outcome
from engine.jobs.settings import Settings
from engine.metrics import daily_returns, max_drawdown, profit_factor, sharpe, total_return
from engine.replay import Replayed
from feeds.bars import FloatArray, IntArray
from ml.analyzer import Analyzer
from ml.prediction import EPSILON, PredictionTable
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, candidates, evidence_table
from strategies.scoring import floors_of, ml_scores, technical_scores

# What says how evidence is used, not what is seen: everything else of a strategy is evidence.
_USE = {
    "use_ml_ensemble",
    "ml_model_path",
    "ml_strong_threshold",
    "ml_entry_threshold",
    "ml_weak_threshold",
    "ml_avoid_threshold",
    "min_entry_score",
    "points",
    "entry",
    "exits",
    "sizing",
}
_SEEN_AT_ONCE = 4  # ways to see the bars whose evidence is kept


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One symbol as the rules see it.

    Attributes
    ----------
    rows : candidate bars of the run, ascending
    probability : the ensemble's opinion on each; NaN for none
    floors : (4, rows) thresholds that came with the opinions; None for those of the settings
    """

    market: Market
    table: EvidenceTable
    rows: IntArray
    probability: FloatArray
    floors: FloatArray | None


class Sweeps:
    """Runs sets on the markets of a search.

    Parameters
    ----------
    markets : of the search; they share a wallet
    settings : cash, costs and what the exchange asks of orders
    ensemble : whom to ask; None for ML-off
    """

    def __init__(
        self, markets: Sequence[Market], settings: Settings, ensemble: Analyzer | None
    ) -> None:
        self._markets, self._settings, self._ensemble = markets, settings, ensemble
        self._seen = lru_cache(_SEEN_AT_ONCE)(self._look)

    def run(self, sets: Sequence[Settings]) -> list[Outcome]:
        """Return what each set comes to, in their order."""
        groups: dict[_Sight, list[int]] = {}
        for place, each in enumerate(sets):
            groups.setdefault(_Sight(each.strategy), []).append(place)
        found: dict[int, Outcome] = {}
        for sight, places in groups.items():
            outcomes = self._run(self._seen(sight), [sets[place] for place in places])
            found |= dict(zip(places, outcomes, strict=True))
        return [found[place] for place in range(len(sets))]

    def _look(self, sight: "_Sight") -> list[Seen]:
        return [self._see(market, sight.config) for market in self._markets]

    def _see(self, market: Market, config: HybridConfig) -> Seen:
        table = evidence_table(market.bars, config)
        rows = np.flatnonzero(candidates(table, config))
        rows = rows[rows >= market.first]
        probability, floors = np.full(len(rows), np.nan), None
        if self._ensemble is not None:
            said = self._ensemble.predict(market.bars, rows)
            probability, floors = np.asarray(said.probability, np.float64), _floors(said, config)
        return Seen(market, table, rows, probability, floors)

    def _run(self, seen: Sequence[Seen], sets: Sequence[Settings]) -> Iterator[Outcome]:
        for each in sets:
            yield _replayed(seen, each)


class _Sight:
    """A configuration, equal to those that see the bars alike."""

    def __init__(self, config: HybridConfig) -> None:
        self.config = config
        self._key = repr(sorted(config.model_dump(exclude=_USE).items(), key=str))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sight) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def _replayed(seen: Sequence[Seen], settings: Settings) -> Outcome:
    config = settings.strategy
    replay = replay_of(
        [each.market for each in seen],
        [each.table for each in seen],
        [each.rows for each in seen],
        settings,
    )
    masks = []
    for each in seen:
        score = technical_scores(each.table, config.points)[each.rows]
        score = score + ml_scores(each.probability, config, each.floors)
        masks.append(score >= config.min_entry_score - EPSILON)
    return _outcome(replay.run(masks), settings.broker.cash)


def _outcome(run: Replayed, cash: float) -> Outcome:
    path = np.concatenate([[cash], run.equity.equity])
    daily = daily_returns(run.equity.time, run.equity.equity, cash)
    figures = Figures(
        trades=len(run),
        expectancy=float(np.mean(run.returns)) if len(run) else None,
        profit_factor=profit_factor(run.pnl),
        sharpe=sharpe(daily),
        total_return=total_return(path),
        max_drawdown=max_drawdown(path),
        win_rate=float(np.mean(run.pnl > 0)) if len(run) else None,
    )
    return Outcome(figures, daily)


def _floors(said: PredictionTable, config: HybridConfig) -> FloatArray | None:
    """Return (4, n) the thresholds that came with the opinions; None if there are none."""
    if not any(said.thresholds):
        return None
    return np.array([floors_of(each, config) for each in said.thresholds]).T
