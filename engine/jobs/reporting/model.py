"""What the page of a run tells of its ensemble, in JSON's own types, by topic:

unavailable  why there is nothing to tell; nothing else stands beside it
about        the bundle: what it was to learn, from what, until when
rows         how many bars were asked about, and how many of these can be judged
predictors   ensemble, members and baseline (`engine.jobs.reporting.predictors`)
edges        of the histograms
thresholds   of the points, by name
bands        rows by the ensemble's probability
trained      what the manifest remembers of each member's training and test
followed     the features that the opinion goes with (`engine.jobs.reporting.followed`)
drift        (`engine.jobs.reporting.model_drift`)
windows      of a walk-forward (`engine.jobs.reporting.model_windows`), else None
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EngineError
from engine.jobs.learning_report import label_text
from engine.jobs.markets import Market
from engine.jobs.reporting.followed import followed
from engine.jobs.reporting.model_drift import drift
from engine.jobs.reporting.model_windows import windows
from engine.jobs.reporting.opinions import Answering, Opinions, opinions_of
from engine.jobs.reporting.predictors import HISTOGRAM_EDGES, predictors
from engine.jobs.settings import Settings
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.plain import plain
from engine.result import RunResult
from feeds.moments import iso
from ml.bundle import Bundle
from ml.errors import MLError
from ml.training.evaluator import bands
from strategies.evidence import EvidenceTable
from strategies.views import Asked

if TYPE_CHECKING:
    from engine.jobs.walking.quality import Answers

Facts = dict[str, Any]

log = logging.getLogger("tandem.run")


@dataclass(frozen=True, slots=True, eq=False)
class AskedRun:
    """Runs on the same bars, of which one asked an ensemble.

    Attributes
    ----------
    asked, tables : the answers and the evidence of the whole market, by symbol
    results : of the runs
    windows : of a walk-forward, else empty
    """

    markets: Sequence[Market]
    settings: Settings
    analyzer: Answering
    asked: Mapping[str, Asked]
    tables: Mapping[str, EvidenceTable]
    results: Sequence[RunResult]
    windows: "Sequence[Answers]" = ()


def model_facts(run: AskedRun) -> Facts:
    """Return what is told of the ensemble; what keeps it from being told is told instead."""
    try:
        opinions = opinions_of(run.asked, run.markets, run.tables, run.analyzer, run.settings)
        facts: Facts = plain(_facts(opinions, run))
    except (MLError, EngineError) as error:
        log.warning("the report cannot tell of the ensemble: %s", error)
        return {"unavailable": str(error)}
    return facts


def _facts(opinions: Opinions, run: AskedRun) -> Facts:
    judged = opinions.judged
    return {
        "about": _about(opinions),
        "rows": _rows(opinions, judged),
        "predictors": predictors(judged) if len(judged) else [],
        "edges": HISTOGRAM_EDGES,
        "thresholds": _thresholds(opinions.bundles, run.settings),
        "bands": [asdict(band) for band in bands(_y(judged), judged.probability, judged.weight)],
        "trained": _trained(opinions),
        "followed": followed(judged),
        **_over_time(opinions, judged, run),
    }


def _over_time(opinions: Opinions, judged: Opinions, run: AskedRun) -> Facts:
    """Return the drift of one bundle, or the windows of several, which hold their own."""
    analyzer = run.analyzer
    if isinstance(analyzer, WindowAnalyzers):
        return {"drift": None, "windows": windows(run.windows, judged, analyzer, run.results)}
    return {"drift": drift(opinions, analyzer, run.settings), "windows": None}


def _about(opinions: Opinions) -> Facts:
    manifest = opinions.bundles[-1].manifest
    return {
        "label": label_text(manifest.label),
        "weighted": opinions.weight is not None,
        "population": manifest.population,
        "symbols": manifest.symbols,
        "timeframe": manifest.timeframe,
        "created_at": manifest.created_at,
        "seen_until": manifest.seen_until_ms,
        "synthetic": manifest.synthetic,
        "base_rate": opinions.bundles[-1].ensemble.base_rate,
        "bundles": len(opinions.bundles),
    }


def _rows(opinions: Opinions, judged: Opinions) -> Facts:
    answered = np.isfinite(opinions.probability)
    seen = np.array([bundle.manifest.seen_until_ms for bundle in opinions.bundles])
    return {
        "asked": len(opinions),
        "answered": int(answered.sum()),
        "judged": len(judged),
        "ones": int(judged.came.sum()),
        "positive_rate": float(np.average(judged.came, weights=judged.weight))
        if len(judged)
        else None,
        "unsettled": int((answered & ~opinions.settled).sum()),
        "seen": int((judged.decided_at < seen[judged.bundle]).sum()),
        "days": len(np.unique(judged.decided_at.astype("datetime64[D]"))),
        "first": iso(judged.decided_at[0]) if len(judged) else None,
        "last": iso(judged.decided_at[-1]) if len(judged) else None,
        "reasons": opinions.reasons,
        "silent": opinions.silent,
    }


def _y(judged: Opinions) -> np.ndarray[Any, Any]:
    return judged.came.astype(np.int64)


def _thresholds(bundles: Sequence[Bundle], settings: Settings) -> Facts:
    """Return those in force: fitted with the ensemble, else as configured; none if they vary."""
    fitted = {bundle.manifest.thresholds for bundle in bundles}
    if len(fitted) > 1:
        return {}
    if (own := fitted.pop()) is not None:
        return asdict(own)
    strategy = settings.strategy
    names = ("strong", "entry", "weak", "avoid")
    return {name: getattr(strategy, f"ml_{name}_threshold") for name in names}


def _trained(opinions: Opinions) -> list[Facts]:
    """Return what the newest bundle says of its members; old ones may say less."""
    bundle = opinions.bundles[-1]
    metrics: Any = bundle.manifest.metrics
    learned = _within(metrics, "training", "members")
    part = "test" if "test" in metrics else "calibrate"
    tested = _within(metrics, part, "members")
    return [
        {
            "name": member.name,
            "weight": member.weight,
            "slope": member.calibrator.slope,
            "rows": _number(_within(learned, member.name).get("rows_used")),
            "seconds": _number(_within(learned, member.name).get("seconds")),
            "part": part,
            "roc_auc": _number(_within(tested, member.name).get("roc_auc")),
            "brier": _number(_within(tested, member.name).get("brier")),
        }
        for member in bundle.ensemble.members
    ]


def _within(facts: Any, *keys: str) -> Mapping[str, Any]:
    """Return what lies under the keys; nothing where an older version kept no such thing."""
    for key in keys:
        facts = facts.get(key) if isinstance(facts, Mapping) else None
    return facts if isinstance(facts, Mapping) else {}


def _number(found: Any) -> float | None:
    """Return a number of a manifest, in which anything may stand."""
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
