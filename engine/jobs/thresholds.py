"""Score thresholds fitted to a bundle: from which probability on an opinion earns which points.

They are chosen on rows that no member has learned from. For each choice from a small grid the
entries that the scoring rule would make are told, and what each came to by the strategy's own exits
and costs; the choice with the best mean wins if it makes at least FEWEST_ENTRIES and beats the
configured one. Positions are left out of account: every entry counts, as if the wallet were
endless. Where the configured thresholds make too few entries to be judged, they yield only to a
choice that wins. The calibrators have seen these rows, and the best of many choices is
better here than it will be later; what it is worth only unseen bars can say.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from engine.jobs.settings import Settings
from engine.jobs.training_rows import exit_labels
from feeds.bars import Bars, FloatArray
from ml.ensemble import Ensemble
from ml.prediction import EPSILON, Thresholds
from ml.training.data_pipeline import TrainingSet
from strategies.config import HybridConfig
from strategies.evidence import evidence_table
from strategies.scoring import floors_of, ml_scores, technical_scores

log = logging.getLogger("tandem.ml")

FEWEST_ENTRIES = 50
QUANTILES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)  # of the probabilities on decisive bars


@dataclass(frozen=True, slots=True, eq=False)
class AskedRows:
    """Rows on which a run would ask.

    Attributes
    ----------
    technical : (n,) technical scores
    probability : (n,) of the ensemble, at a prior of 0.5
    outcome : (n,) net profit of the strategy's own exits over the money put in
    """

    technical: FloatArray
    probability: FloatArray
    outcome: FloatArray


def fitted_thresholds(
    ensemble: Ensemble, held_out: TrainingSet, markets: Sequence[Bars], settings: Settings
) -> Thresholds | None:
    """Return the best thresholds on held-out rows; None where the configured ones stay."""
    rows = _asked_rows(ensemble, held_out, markets, settings)
    chosen = best_thresholds(rows, settings.strategy)
    log.info("thresholds on %d decisive bars: %s", len(rows.outcome), chosen or "as configured")
    return chosen


def _asked_rows(
    ensemble: Ensemble, held_out: TrainingSet, markets: Sequence[Bars], settings: Settings
) -> AskedRows:
    """Return the asked ones of the rows whose position has come to its end."""
    asked = held_out.take(held_out.asked)
    technical, outcome = np.full(len(asked), np.nan), np.full(len(asked), np.nan)
    for bars in markets:
        mine = np.flatnonzero(asked.symbol == asked.symbols.index(bars.symbol))
        at = np.searchsorted(bars.closed_at, asked.decided_at[mine])
        table = evidence_table(bars, settings.strategy)
        technical[mine] = technical_scores(table, settings.strategy.points)[at]
        outcome[mine] = exit_labels(table, settings).outcome[at]
    probability = ensemble.predict(asked.samples).probability
    known = np.isfinite(outcome) & np.isfinite(probability)
    return AskedRows(technical[known], probability[known], outcome[known])


def best_thresholds(rows: AskedRows, config: HybridConfig) -> Thresholds | None:
    """Return the thresholds whose entries come to most on average; None for those configured."""
    configured = _mean_outcome(rows, config, None)
    best, most = None, configured if np.isfinite(configured) else 0.0
    for thresholds in _grid(rows.probability):
        mean = _mean_outcome(rows, config, thresholds)
        if mean > most:
            best, most = thresholds, mean
    return best


def _grid(probability: FloatArray) -> Iterator[Thresholds]:
    """Yield all choices of four falling thresholds from the quantiles."""
    if not len(probability):
        return
    floors = np.unique(np.quantile(probability, QUANTILES)).tolist()
    for chosen in combinations_with_replacement(reversed(floors), 4):
        yield Thresholds(*chosen)


def _mean_outcome(rows: AskedRows, config: HybridConfig, thresholds: Thresholds | None) -> float:
    """Return what the entries of the scoring rule come to; minus infinity if they are too few."""
    floors = np.array(floors_of(thresholds, config))[:, None]
    score = rows.technical + ml_scores(rows.probability, config, floors)
    enters = score >= config.min_entry_score - EPSILON
    return float(rows.outcome[enters].mean()) if enters.sum() >= FEWEST_ENTRIES else -np.inf
