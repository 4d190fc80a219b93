"""Gates without skill, which an ensemble must beat: at random, and by volatility.

A gate gives the ensemble's own opinions to other bars of the same symbol, so that it answers as
often and as high as the ensemble did:

- the random gate shuffles them within each calendar month, and knows nothing;
- the volatility gate hands them out by the rank of recent volatility, and knows that alone. An
  ensemble may have found any form of it, so there is one gate for each `Ranking`: two measures, the
  wildest or the calmest first, over the whole run or within each month. The one that did best is
  the gate, picked with hindsight, which no ensemble has.

An opinion keeps the points that it was worth where it was said. All else is as in the run with ML:
technical points, mandatory filter, wallet, protections. A bar without an opinion keeps none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

import numpy as np

from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.jobs.sizing_rule import size_rule
from engine.plans import Entries
from engine.replay import Replay, Replayed
from feeds import indicators
from feeds.bars import Bars, BoolArray, FloatArray, IntArray
from feeds.progress import progress
from ml.features.catalog import FEATURES
from ml.features.matrix import feature_rows
from ml.prediction import EPSILON, Prediction
from strategies.evidence import EvidenceTable, candidates
from strategies.scoring import ml_points, technical_scores
from strategies.views import Asked

_RANDOM, _VOLATILITY = 1, 2  # two streams of chance under one seed
Measure: TypeAlias = Literal["volatility_20", "atr_fraction"]
_MEASURES: tuple[Measure, ...] = ("volatility_20", "atr_fraction")
_RECENT_VOLATILITY = [feature for feature in FEATURES if feature.name == "volatility_20"]
_FEWEST_TRADES = 30  # of a gate that may be picked; fewer may shine by luck


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order of bars by volatility.

    Attributes
    ----------
    measure : the deviation of 20 returns, or ATR(14) over the close
    calmest : whether the highest opinions go to the calmest bars; else to the wildest
    monthly : whether the bars of each month are ranked apart; else all at once
    """

    measure: Measure
    calmest: bool
    monthly: bool

    def __str__(self) -> str:
        which = "calmest" if self.calmest else "wildest"
        return f"{self.measure}, {which} first, {'by month' if self.monthly else 'over the run'}"


RANKINGS = tuple(
    Ranking(measure, calmest, monthly)
    for measure, calmest, monthly in product(_MEASURES, (False, True), (False, True))
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The candidate bars of one symbol, and the ensemble's opinions on some of them.

    Attributes
    ----------
    rows : positions of the bars, ascending
    technical : their technical scores
    answered : of `rows`, the places of the bars with an opinion
    points, probability : of each opinion; the thresholds between the two may change with time
    month, volatility : of each bar with an opinion; the month is counted from 1970, the volatility
        by the measures of a `Ranking`
    """

    rows: IntArray
    technical: FloatArray
    answered: IntArray
    points: FloatArray
    probability: FloatArray
    month: IntArray
    volatility: Mapping[str, FloatArray]


class Gates:
    """The runs that gates make on the bars, settings and opinions of one run with ML.

    Attributes
    ----------
    candidates : of each symbol, in the order of the markets
    """

    def __init__(
        self,
        markets: Sequence[Market],
        tables: Mapping[str, EvidenceTable],
        asked: Mapping[str, Asked],
        settings: Settings,
    ) -> None:
        self._settings = settings
        shown = [tables[market.bars.symbol] for market in markets]
        self.candidates = [
            _candidates_of(table, market.first, asked[market.bars.symbol], settings)
            for market, table in zip(markets, shown, strict=True)
        ]
        self._replay = replay_of(markets, shown, [each.rows for each in self.candidates], settings)

    def as_asked(self) -> Replayed:
        """Return what the ensemble's own opinions trade: the run with ML."""
        return self._run([each.points for each in self.candidates])

    def random(self, seeds: int) -> list[Replayed]:
        """Return one run for each of `seeds` shuffles."""
        runs = []
        with progress("random gate", total=seeds, unit="runs") as advance:
            for number in range(seeds):
                rng = np.random.default_rng([self._settings.seed, _RANDOM, number])
                runs.append(self._run([shuffled(each, rng) for each in self.candidates]))
                advance()
        return runs

    def volatility(self) -> tuple[Ranking, Replayed]:
        """Return the ranking that did best by expectancy, and its run."""
        runs = [(ranking, self._ranked(ranking)) for ranking in RANKINGS]
        return max(runs, key=lambda each: merit(each[1]))

    def _ranked(self, ranking: Ranking) -> Replayed:
        rng = np.random.default_rng([self._settings.seed, _VOLATILITY])
        return self._run([by_volatility(each, ranking, rng) for each in self.candidates])

    def _run(self, points: Sequence[FloatArray]) -> Replayed:
        pairs = zip(self.candidates, points, strict=True)
        return self._replay.run([self._suffices(own, given) for own, given in pairs])

    def _suffices(self, own: Candidates, points: FloatArray) -> BoolArray:
        score = own.technical.copy()
        score[own.answered] += points
        enough: BoolArray = score >= self._settings.strategy.min_entry_score - EPSILON
        return enough


def replay_of(
    markets: Sequence[Market],
    tables: Sequence[EvidenceTable],
    rows: Sequence[IntArray],
    settings: Settings,
) -> Replay:
    """Return the replay of entries that may be decided at `rows` of each market."""
    joined = zip(markets, tables, rows, strict=True)
    return Replay(
        [_entries(market, table, at, settings) for market, table, at in joined],
        cash=settings.broker.cash,
        costs=settings.costs,
        size=size_rule(settings),
        protections=settings.protections,
    )


def _entries(market: Market, table: EvidenceTable, rows: IntArray, settings: Settings) -> Entries:
    exits = settings.strategy.exits
    return Entries(
        bars=market.bars,
        first=market.first,
        rows=rows,
        away=exits.fractions(table.values_at("atr_fraction", rows)),
        max_bars=exits.max_bars,
        rules=settings.rules_of(market.bars.symbol),
        limit=settings.strategy.entry.limit,
    )


def _candidates_of(
    table: EvidenceTable, first: int, asked: Asked, settings: Settings
) -> Candidates:
    config = settings.strategy
    rows = np.flatnonzero(candidates(table, config))
    rows = rows[rows >= first]
    probability, points = np.full((2, len(table.bars)), np.nan)
    for place, bar in enumerate(asked.bars.tolist()):
        opinion = asked.opinions.at(place)
        if isinstance(opinion, Prediction):
            probability[bar], points[bar] = opinion.probability, ml_points(opinion, config)
    answered = np.flatnonzero(~np.isnan(probability[rows]))
    bars = rows[answered]
    return Candidates(
        rows=rows,
        technical=technical_scores(table, config.points)[rows],
        answered=answered,
        points=points[bars],
        probability=probability[bars],
        month=table.bars.closed_at[bars].astype("datetime64[M]").astype(np.int64),
        volatility=volatility_of(table.bars, bars),
    )


def volatility_of(bars: Bars, rows: IntArray) -> dict[str, FloatArray]:
    """Return the volatility of the bars at `rows`, by the measures of a `Ranking`."""
    segments = (bars[each] for each in bars.segments())
    atr = [indicators.atr(each.high, each.low, each.close, 14) / each.close for each in segments]
    asked, place = np.unique(rows, return_inverse=True)
    return {
        "volatility_20": feature_rows(bars, asked, _RECENT_VOLATILITY)[place, 0].astype(float),
        "atr_fraction": np.concatenate(atr)[rows],
    }


def shuffled(own: Candidates, rng: np.random.Generator) -> FloatArray:
    """Return the points in any order within each month."""
    return own.points[shuffle_order(own, rng)]


def shuffle_order(own: Candidates, rng: np.random.Generator) -> IntArray:
    """Return for each bar with an opinion which one it gets when they are shuffled."""
    place = np.lexsort([own.month])  # keeps the order of equals
    drawn = np.lexsort([rng.random(len(place)), own.month])
    return _handed_out(drawn, place)


def by_volatility(own: Candidates, ranking: Ranking, rng: np.random.Generator) -> FloatArray:
    """Return the points handed out by the rank of volatility; chance decides ties."""
    return own.points[volatility_order(own, ranking, rng)]


def volatility_order(own: Candidates, ranking: Ranking, rng: np.random.Generator) -> IntArray:
    """Return for each bar with an opinion which one it gets by the rank of its volatility."""
    volatility = own.volatility[ranking.measure]
    wildness = -volatility if ranking.calmest else volatility
    month = own.month if ranking.monthly else np.zeros_like(own.month)
    place = np.lexsort([rng.random(len(month)), wildness, month])
    lowest_first = np.lexsort([own.probability, own.points, month])
    return _handed_out(lowest_first, place)


def merit(run: Replayed) -> tuple[bool, float]:
    """Return what rankings are picked by: the expectancy, of those that trade enough."""
    return len(run) >= _FEWEST_TRADES, float(np.mean(run.returns)) if len(run) else -np.inf


def _handed_out(opinions: IntArray, place: IntArray) -> IntArray:
    """Return the opinions, each at its place."""
    given = np.empty_like(opinions)
    given[place] = opinions
    return given
