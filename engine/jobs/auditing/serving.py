"""The serving audit: what a run is shown at a moment must not know what follows.

The same batch code works on a market whose later bars are others, and on one that ends. Up to that
moment features and evidence must be equal to the last bit and probabilities within 1e-9.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.jobs.auditing.alteration import CHANGES
from engine.jobs.auditing.columns import first_unequal, told
from engine.jobs.auditing.report import Kind, Leak
from feeds.bars import Bars, TimeArray
from feeds.progress import progress
from ml.features.base import Feature
from ml.features.matrix import feature_matrix
from ml.prediction import Prediction, Unavailable
from strategies.config import HybridConfig
from strategies.evidence import EvidenceTable, evidence_table
from strategies.scoring import technical_scores
from strategies.views import Asked, NoEnsemble, OpinionSource, OpinionTable, ask

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""One value per bar, by name."""

Look: TypeAlias = Callable[[Sequence[Bars], np.datetime64], Mapping[str, Columns]]
"""(markets, moment) -> what is reckoned of them, by symbol; the moment is when it is compared."""

EvidenceOf: TypeAlias = Callable[[Bars, HybridConfig], EvidenceTable]

PROBABILITY_ATOL = 1e-9
# A batch of other rows is summed up in another order: what `ml.analyzer.Analyzer` promises.
BATCH_ATOL = 1e-6


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that must not know what follows.

    Attributes
    ----------
    atol : how far two numbers may lie apart; 0.0 for not at all
    by_moment : whether what is reckoned depends on the moment, and not on the bars alone
    """

    look: Look
    atol: float = 0.0
    by_moment: bool = False


def watched(
    features: Sequence[Feature],
    source: OpinionSource,
    config: HybridConfig,
    evidence_of: EvidenceOf = evidence_table,
) -> list[Watched]:
    """Return all that a run is shown: features, evidence, scores, opinions."""
    return [
        Watched(features_look(features)),
        Watched(evidence_look(evidence_of, config)),
        Watched(opinion_look(source, config, evidence_of), PROBABILITY_ATOL, by_moment=True),
        Watched(batch_look(source, config, evidence_of), BATCH_ATOL),
    ]


def features_look(features: Sequence[Feature]) -> Look:
    """Return the columns of the feature matrix, by the features' names."""

    def look(markets: Sequence[Bars], _moment: np.datetime64) -> Mapping[str, Columns]:
        return {bars.symbol: _columns(feature_matrix(bars, features)) for bars in markets}

    def _columns(matrix: NDArray[Any]) -> Columns:
        return {feature.name: matrix[:, number] for number, feature in enumerate(features)}

    return look


def evidence_look(evidence_of: EvidenceOf, config: HybridConfig) -> Look:
    """Return the rules that hold, the indicators' values, the pattern and the technical score."""

    def look(markets: Sequence[Bars], _moment: np.datetime64) -> Mapping[str, Columns]:
        return {bars.symbol: _columns(evidence_of(bars, config)) for bars in markets}

    def _columns(table: EvidenceTable) -> Columns:
        return {
            **{f"evidence {name}": values for name, values in table.values.items()},
            **{f"rule {name}": holds for name, holds in table.holds.items()},
            "pattern": table.pattern,
            "technical score": technical_scores(table, config.points),
        }

    return look


def opinion_look(
    source: OpinionSource, config: HybridConfig, evidence_of: EvidenceOf = evidence_table
) -> Look:
    """Return what the ensemble says when it is asked about the bars up to the moment.

    Both times it is asked about the same bars, so that rounding plays no part.
    """
    nobody = NoEnsemble("only the bars are wanted")

    def look(markets: Sequence[Bars], moment: np.datetime64) -> Mapping[str, Columns]:
        tables = {bars.symbol: evidence_of(bars, config) for bars in markets}
        asked = ask(tables, config, nobody)
        return {bars.symbol: _columns(bars, asked[bars.symbol], moment) for bars in markets}

    def _columns(bars: Bars, asked: Asked, moment: np.datetime64) -> Columns:
        rows = asked.bars[bars.closed_at[asked.bars] <= moment]
        return _opinion_columns(len(bars), rows.tolist(), source.predict(bars, rows))

    return look


def batch_look(
    source: OpinionSource, config: HybridConfig, evidence_of: EvidenceOf = evidence_table
) -> Look:
    """Return what the ensemble says when it is asked about all bars at once, as a run does."""

    def look(markets: Sequence[Bars], _moment: np.datetime64) -> Mapping[str, Columns]:
        tables = {bars.symbol: evidence_of(bars, config) for bars in markets}
        asked = ask(tables, config, source)
        return {bars.symbol: _columns(bars, asked[bars.symbol]) for bars in markets}

    def _columns(bars: Bars, asked: Asked) -> Columns:
        found = _opinion_columns(len(bars), asked.bars.tolist(), asked.opinions)
        return {f"{name} in a batch": column for name, column in found.items()}

    return look


def _opinion_columns(bars: int, rows: Sequence[int], opinions: OpinionTable) -> Columns:
    said = [_said(opinions.at(place)) for place in range(len(rows))]
    columns = {}
    for name in dict.fromkeys(name for words in said for name in words):
        columns[name] = np.full(bars, np.nan)
        columns[name][rows] = [words.get(name, np.nan) for words in said]
    return columns


def _said(opinion: Prediction | Unavailable) -> Mapping[str, float]:
    if isinstance(opinion, Unavailable):
        return {"asked": 1.0}
    votes = {f"vote {name}": vote for name, vote in opinion.votes.items()}
    return {"asked": 1.0, "probability": opinion.probability, **votes}


def audit_serving(
    markets: Sequence[Bars], watch: Sequence[Watched], moments: TimeArray, *, seed: int
) -> tuple[list[Leak], int]:
    """Return the first leak of each column, symbol and kind, and how many columns were compared.

    Parameters
    ----------
    markets : as they are
    watch : what must not know what follows
    moments : datetime64[ms], after each of which the bars are changed
    seed : of the other bars
    """
    leaks: dict[tuple[str, str, str], Leak] = {}
    references = [each.look(markets, moments[-1]) for each in watch]
    with progress("auditing", total=len(moments), unit="moments") as advance:
        for moment in np.sort(moments):
            changed = {kind: changed_after(markets, moment, kind, seed) for kind in CHANGES}
            for each, known in zip(watch, references, strict=True):
                reference = each.look(markets, moment) if each.by_moment else known
                for kind, others in changed.items():
                    answer = each.look(others, moment)
                    for leak in _leaks(others, reference, answer, _Scene(kind, moment, each.atol)):
                        leaks.setdefault((leak.what, str(leak.symbol), kind), leak)
            advance()
    names = {name for known in references for columns in known.values() for name in columns}
    return list(leaks.values()), len(names)


def changed_after(
    markets: Sequence[Bars], moment: np.datetime64, kind: Kind, seed: int
) -> list[Bars]:
    """Return the markets with another future; those that only have a future are left out."""
    change = CHANGES[kind]
    begun = [bars for bars in markets if len(bars.known_at(moment))]
    return [change(bars, moment, seed) for bars in begun]


@dataclass(frozen=True, slots=True)
class _Scene:
    """What was done to the markets, from when on, and how far two answers may lie apart."""

    kind: Kind
    moment: np.datetime64
    atol: float


def _leaks(
    markets: Sequence[Bars],
    reference: Mapping[str, Columns],
    answer: Mapping[str, Columns],
    scene: _Scene,
) -> Iterator[Leak]:
    """Yield a leak for each column of each market that differs up to the moment."""
    for bars in markets:
        known = bars.known_at(scene.moment)
        silent = np.full(len(known), np.nan)
        before, after = reference[bars.symbol], answer[bars.symbol]
        for what in dict.fromkeys([*before, *after]):
            first = before.get(what, silent)[: len(known)]
            second = after.get(what, silent)[: len(known)]
            row = first_unequal(first, second, scene.atol)
            if row is not None:
                yield Leak(
                    where="serving",
                    what=what,
                    kind=scene.kind,
                    symbol=bars.symbol,
                    first_at=known.closed_at[min(row, len(known) - 1)],
                    difference=told(first, second, row),
                )
