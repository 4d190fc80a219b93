"""The evaluate command: a bundle's stored figures, or fresh ones on bars that it has not seen."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.errors import RunError, UsageError
from engine.jobs.as_trained import as_trained
from engine.jobs.backtest import backtest
from engine.jobs.bundle_remedies import remedied
from engine.jobs.default_market import DefaultSource
from engine.jobs.importance_report import contributions_text, importance_text
from engine.jobs.learning_report import evaluation_text, label_text, synthetic_line
from engine.jobs.markets import AskedBars
from engine.jobs.run_report import RunReport
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars
from feeds.messages import first_line
from feeds.moments import readable
from ml.analyzer import Analyzer
from ml.bundle import Bundle, load_bundle
from ml.errors import BundleMismatchError, InSampleError
from ml.features.catalog import FEATURE_NAMES, FEATURES
from ml.manifest import Manifest, check_serves
from ml.training.contribution import Contributions, member_contributions
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.importance import Importance, Shuffling, feature_importance


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Bars to try the configured bundle on, and what is asked beside the scores.

    Attributes
    ----------
    bars : None for the figures stored at the training
    importance : whether to shuffle the features and leave members out
    backtest : whether to trade the bars
    """

    settings: Settings
    bars: AskedBars | None = None
    importance: bool = False
    backtest: bool = False
    out: Path = Path("runs")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluateReport:
    """Figures of a bundle.

    Attributes
    ----------
    scores : `ml.training.evaluator.Evaluation` in JSON's own types
    fresh : False for those stored at the training
    left_out : rows of the files that the bundle has seen, or may have
    synthetic : whether bundle or files come from simulated bars
    leaned_on : what shuffled features cost and what members add, if it was asked for
    run : ML-off against ML-on on the same bars, if it was asked for
    """

    manifest: Manifest
    scores: dict[str, Any]
    fresh: bool = False
    left_out: int = 0
    synthetic: bool = False
    leaned_on: tuple[Importance, Contributions] | None = None
    run: RunReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        importance, contributions = self.leaned_on or (None, None)
        return {
            "fresh": self.fresh,
            "synthetic": self.synthetic,
            "seen_until": self.manifest.seen_until.isoformat(),
            "label": self.manifest.label,
            "population": self.manifest.population,
            "left_out_in_sample": self.left_out,
            "scores": self.scores,
            "feature_importance": None if importance is None else importance.to_json(),
            "member_contribution": None if contributions is None else contributions.to_json(),
            "backtest": None if self.run is None else self.run.to_json(),
        }

    def text(self) -> str:
        """Return the tables that a person reads."""
        where = "fresh rows" if self.fresh else "test part, stored at the training"
        head = f"{label_text(self.manifest.label)}, population {self.manifest.population}"
        parts = [head, *self._left_out_line(), evaluation_text(self.scores, where)]
        if self.leaned_on is not None:
            importance, contributions = self.leaned_on
            parts += [importance_text(importance), contributions_text(contributions)]
        if self.run is not None:
            parts.append(self.run.text())
        return synthetic_line(synthetic=self.synthetic) + "\n".join(parts)

    def _left_out_line(self) -> list[str]:
        seen = f"{self.manifest.seen_until:%Y-%m-%d %H:%M}Z"
        line = f"{self.left_out:,} rows decided before {seen} are in-sample and left out"
        return [line] if self.left_out else []


def evaluate_bundle(request: EvaluateRequest) -> EvaluateReport:
    """Return the figures that the request asks for.

    Raises
    ------
    UsageError
        if a backtest or an importance is asked for without bars
    RunError
        if there are no stored figures
    BundleMismatchError
        if there are some of another form
    TrainingError
        if the rows cannot tell an importance
    InSampleError
        if the bundle has seen all rows of the files
    """
    if request.backtest and request.bars is None:
        raise _without_bars("--backtest")
    if request.backtest:
        RunRequest(settings=request.settings, out=request.out).check_out()
    settings = request.settings
    with remedied(settings):
        bundle = load_bundle(settings.strategy.ml_model_path, settings.members)
    if request.bars is None and not request.importance:
        return _stored(bundle.manifest)
    return _fresh(bundle, request, request.bars or _bars_of_default(bundle.manifest, request))


def _bars_of_default(manifest: Manifest, request: EvaluateRequest) -> AskedBars:
    """Return the market of the embedded default if that is what the bundle learned from."""
    source = DefaultSource(request.settings.seed)
    if not source.taught(manifest):
        raise _without_bars("--feature-importance")
    return AskedBars(source)


def _without_bars(flag: str) -> UsageError:
    return UsageError(
        f"{flag} needs bars that the bundle has not seen: add --data FILE or --symbols; only of "
        "the bundle of a default run, named by --model and with the --seed of the run, "
        "--feature-importance knows them by itself"
    )


def _stored(manifest: Manifest) -> EvaluateReport:
    if "test" not in manifest.metrics:
        raise RunError("the bundle holds no figures of its own: give --data FILE or --symbols")
    scores = cast("dict[str, Any]", manifest.metrics["test"])
    report = EvaluateReport(manifest=manifest, scores=scores, synthetic=manifest.synthetic)
    try:
        json.dumps(report.to_json(), allow_nan=False)
        report.text()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise BundleMismatchError(
            "the figures of the bundle are not in the form that this version shows "
            f"({first_line(error)}): give --data FILE, or train again"
        ) from error
    return report


def _fresh(bundle: Bundle, request: EvaluateRequest, asked: AskedBars) -> EvaluateReport:
    manifest = bundle.manifest
    settings = as_trained(request.settings, manifest)
    markets = asked.read(settings.data, settings.strategy.warmup_bars)
    check_serves(manifest, timeframe=str(markets[0].timeframe), feature_names=FEATURE_NAMES)
    rows = training_rows(markets, settings)
    seen_until = Analyzer(bundle).seen_until
    clean = rows.decided_at >= seen_until
    if not clean.any():
        raise InSampleError(_all_seen(seen_until, markets))
    unseen = rows.take(clean)
    return EvaluateReport(
        manifest=manifest,
        scores=evaluate(bundle.ensemble, unseen).to_json(),
        fresh=True,
        left_out=int((~clean).sum()),
        synthetic=manifest.synthetic or any(bars.synthetic for bars in markets),
        leaned_on=_leaned_on(bundle, unseen, settings) if request.importance else None,
        run=_trade(request, settings, asked, seen_until) if request.backtest else None,
    )


def _leaned_on(
    bundle: Bundle, rows: TrainingSet, settings: Settings
) -> tuple[Importance, Contributions]:
    shuffling = Shuffling(seed=settings.seed, jobs=settings.training.jobs)
    importance = feature_importance(bundle.ensemble, rows, FEATURES, shuffling)
    return importance, member_contributions(bundle.ensemble, rows)


def _trade(
    request: EvaluateRequest, settings: Settings, asked: AskedBars, clean: np.datetime64
) -> RunReport:
    """Compare ML-off and ML-on on what was asked for, from the first clean moment on."""
    start = clean if asked.start is None else max(clean, asked.start)
    return backtest(
        RunRequest(
            settings=settings,
            bars=replace(asked, start=start),
            ml=MLMode.COMPARE,
            out=request.out,
        )
    )


def _all_seen(seen_until: np.datetime64, markets: Sequence[Bars]) -> str:
    last = max(bars.closed_at[-1] for bars in markets)
    return (
        f"the bundle has seen data until {readable(seen_until)}, the first clean moment; the "
        f"files end at {readable(last)} and hold no row decided from then on: give later bars"
    )
