"""What the ensemble said of the bars that a run asked about, and what came of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.jobs.as_trained import as_trained
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.jobs.training_rows import source_of
from engine.jobs.walking.analyzer import WindowAnalyzers
from feeds.bars import Bars, BoolArray, FloatArray, IntArray, TimeArray
from ml.analyzer import Analyzer
from ml.base import FloatMatrix
from ml.bundle import Bundle
from ml.calibration import shift_prior
from ml.features.catalog import FEATURES
from ml.features.matrix import feature_rows
from ml.prediction import PredictionTable
from ml.training.data_pipeline import VOLATILITY, Source
from strategies.evidence import EvidenceTable
from strategies.views import Asked

Answering: TypeAlias = Analyzer | WindowAnalyzers

_BASELINE = [feature for feature in FEATURES if feature.name == VOLATILITY]
_COLUMNS = ("decided_at", "probability", "bundle", "volatility", "came", "settled")


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Opinions:
    """Answers on decisive bars of all symbols, oldest first.

    Attributes
    ----------
    decided_at : (n,) datetime64[ms]
    probability : (n,) of the ensemble, at a prior of 0.5; NaN where there is no opinion
    votes : (n,) of each member that answered at all, NaN where it did not
    bundle : int64 (n,) position in `bundles` of the one that answered
    bundles : that were asked, oldest first
    volatility : (n,) recent volatility, the baseline of a label that looks ahead
    came : bool (n,) the label; says nothing where it is not `settled`
    settled : bool (n,) False where the label would have to look beyond the data
    weight : (n,) how much a row counts; None if all count alike
    features : (n, features) what the ensemble looked at; None where nobody knows
    reasons : why there was no opinion, and on how many bars
    silent : members that never answered, and why
    """

    decided_at: TimeArray
    probability: FloatArray
    votes: Mapping[str, FloatArray]
    bundle: IntArray
    bundles: Sequence[Bundle]
    volatility: FloatArray
    came: BoolArray
    settled: BoolArray
    weight: FloatArray | None
    features: FloatMatrix | None
    reasons: Mapping[str, int]
    silent: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.decided_at)

    def take(self, chosen: NDArray[Any]) -> "Opinions":
        """Return the chosen rows (positions or mask)."""
        return replace(
            self,
            decided_at=self.decided_at[chosen],
            probability=self.probability[chosen],
            votes={name: vote[chosen] for name, vote in self.votes.items()},
            bundle=self.bundle[chosen],
            volatility=self.volatility[chosen],
            came=self.came[chosen],
            settled=self.settled[chosen],
            weight=None if self.weight is None else self.weight[chosen],
            features=None if self.features is None else self.features[chosen],
        )

    def vote(self, name: str) -> FloatArray:
        """Return (n,) the member's votes, NaN for one that never answered."""
        return self.votes.get(name, np.full(len(self), np.nan))

    @property
    def judged(self) -> "Opinions":
        """Those with an opinion whose outcome is known."""
        return self.take(self.settled & np.isfinite(self.probability))

    def natural(self, said: FloatArray) -> FloatArray:
        """Return probabilities at natural frequencies, each by its bundle's base rate."""
        shifted = np.full(len(said), np.nan)
        for place, bundle in enumerate(self.bundles):
            mine = self.bundle == place
            shifted[mine] = shift_prior(said[mine], 1.0 - bundle.ensemble.base_rate)
        return shifted


def opinions_of(
    asked: Mapping[str, Asked],
    markets: Sequence[Market],
    tables: Mapping[str, EvidenceTable],
    analyzer: Answering,
    settings: Settings,
) -> Opinions:
    """Return what was said on the bars of a run, warm-up aside, and what came of them.

    Parameters
    ----------
    asked, tables : by symbol; the answers, and the evidence of the whole market
    settings : of the run; the label is that of the bundle

    Raises
    ------
    MLError
        if this version cannot make the label of the bundle
    """
    trained = as_trained(settings, _bundles(analyzer)[-1].manifest)
    parts = [
        _of_market(asked[symbol], market.first, source_of(tables[symbol], trained), analyzer)
        for market in markets
        for symbol in [market.bars.symbol]
    ]
    names = dict.fromkeys(name for part in parts for name in part.votes)
    silent = {name: why for part in parts for name, why in part.silent.items()}
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS
    }
    whole = replace(
        parts[0],
        **columns,
        votes={name: np.concatenate([part.vote(name) for part in parts]) for name in names},
        weight=_joined([part.weight for part in parts]),
        features=_joined([part.features for part in parts]),
        reasons=sum((Counter(part.reasons) for part in parts), Counter()),
        silent={name: why for name, why in silent.items() if name not in names},
    )
    return whole.take(np.argsort(whole.decided_at, kind="stable"))


def asked_in(decisions: pd.DataFrame, markets: Sequence[Market]) -> dict[str, Asked]:
    """Return what a journal knows of the ensemble's answers, by symbol."""
    return {market.bars.symbol: _journalled(decisions, market.bars) for market in markets}


def _bundles(analyzer: Answering) -> Sequence[Bundle]:
    if isinstance(analyzer, WindowAnalyzers):
        return [each.bundle for each in analyzer.analyzers]
    return [analyzer.bundle]


def _of_market(asked: Asked, first: int, source: Source, analyzer: Answering) -> Opinions:
    bars, table = source.bars, asked.opinions
    if not isinstance(table, PredictionTable):
        raise TypeError(f"opinions must be a table of predictions, found {type(table).__name__}")
    inside = asked.bars >= first
    rows, features = asked.bars[inside], _features(analyzer, bars, asked)
    decided = bars.closed_at[rows]
    return Opinions(
        decided_at=decided,
        probability=table.probability[inside],
        votes={name: vote[inside] for name, vote in table.votes.items()},
        bundle=_bundle_of(analyzer, decided),
        bundles=_bundles(analyzer),
        volatility=feature_rows(bars, rows, _BASELINE)[:, 0].astype(np.float64),
        came=source.labels.value[rows] == 1,
        settled=source.labels.valid[rows],
        weight=None if source.weight is None else source.weight[rows],
        features=None if features is None else features[inside],
        reasons=Counter(why for row, why in table.reasons.items() if inside[row]),
        silent=table.left_out,
    )


def _bundle_of(analyzer: Answering, decided: TimeArray) -> IntArray:
    if isinstance(analyzer, WindowAnalyzers):
        return analyzer.window_of(decided)
    return np.zeros(len(decided), np.int64)


def _features(analyzer: Answering, bars: Bars, asked: Asked) -> FloatMatrix | None:
    """Return the features of the asked bars: from the answers, if they brought them."""
    brought: FloatMatrix | None = getattr(asked.opinions, "features", None)
    if brought is not None or not isinstance(analyzer, Analyzer):
        return brought
    return analyzer.features_at(bars, asked.bars)


def _journalled(decisions: pd.DataFrame, bars: Bars) -> Asked:
    rows = decisions
    if not rows.empty:
        rows = rows[(rows["symbol"] == bars.symbol) & (rows["ml"] != "not_asked")]
    said = _column(rows, "probability")
    why = rows["ml_reason"].tolist() if "ml_reason" in rows else []
    reasons = {row: str(why[row]) for row in np.flatnonzero(np.isnan(said)).tolist()}
    votes = {
        name.removeprefix("vote_"): _column(rows, name)
        for name in rows.columns
        if name.startswith("vote_") and rows[name].notna().any()
    }
    decided = rows["decided_at"].to_numpy("datetime64[ms]") if len(rows) else bars.closed_at[:0]
    at = np.searchsorted(bars.closed_at, decided)
    return Asked(at, PredictionTable(said, np.full(len(said), -1), votes, {}, reasons))


def _column(rows: pd.DataFrame, name: str) -> FloatArray:
    """Return the numbers of a column, NaN where there are none."""
    if name not in rows:
        return np.full(len(rows), np.nan)
    return np.asarray(pd.to_numeric(rows[name]), np.float64)


def _joined(columns: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    """Return the columns as one; None if any part lacks it."""
    found = [column for column in columns if column is not None]
    return np.concatenate(found) if len(found) == len(columns) else None
