"""The evaluate command: a bundle's stored figures, or fresh ones on bars that it has not seen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.errors import RunError, UsageError
from engine.jobs.as_trained import as_trained
from engine.jobs.backtest import backtest
from engine.jobs.learning_report import evaluation_text, label_text, synthetic_line
from engine.jobs.markets import BarFiles
from engine.jobs.run_report import RunReport
from engine.jobs.run_request import RunRequest
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars
from feeds.moments import readable
from ml.analyzer import Analyzer
from ml.bundle import Bundle, load_bundle
from ml.errors import InSampleError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves
from ml.training.evaluator import evaluate


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """Files to try the configured bundle on (none: its stored figures); whether to trade them."""

    settings: Settings
    files: BarFiles
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
    run : ML-off against ML-on on the same bars, if it was asked for
    """

    manifest: Manifest
    scores: dict[str, Any]
    fresh: bool = False
    left_out: int = 0
    synthetic: bool = False
    run: RunReport | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "fresh": self.fresh,
            "synthetic": self.synthetic,
            "seen_until": self.manifest.seen_until.isoformat(),
            "label": self.manifest.label,
            "population": self.manifest.population,
            "left_out_in_sample": self.left_out,
            "scores": self.scores,
            "backtest": None if self.run is None else self.run.to_json(),
        }

    def text(self) -> str:
        """Return the tables that a person reads."""
        where = "fresh rows" if self.fresh else "test part, stored at the training"
        head = f"{label_text(self.manifest.label)}, population {self.manifest.population}"
        parts = [head, *self._left_out_line(), evaluation_text(self.scores, where)]
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
    RunError
        if there are no stored figures, or a backtest is asked for without files
    InSampleError
        if the bundle has seen all rows of the files
    """
    bundle = load_bundle(request.settings.strategy.ml_model_path)
    if request.files.paths:
        return _fresh(bundle, request)
    if request.backtest:
        raise UsageError("--backtest needs bars that the bundle has not seen: add --test-data FILE")
    return _stored(bundle.manifest)


def _stored(manifest: Manifest) -> EvaluateReport:
    if "test" not in manifest.metrics:
        raise RunError("the bundle holds no figures of its own: give --test-data FILE")
    scores = cast("dict[str, Any]", manifest.metrics["test"])
    return EvaluateReport(manifest=manifest, scores=scores, synthetic=manifest.synthetic)


def _fresh(bundle: Bundle, request: EvaluateRequest) -> EvaluateReport:
    manifest = bundle.manifest
    settings = as_trained(request.settings, manifest)
    markets = request.files.read(settings.data)
    check_serves(manifest, timeframe=str(markets[0].timeframe), feature_names=FEATURE_NAMES)
    rows = training_rows(markets, settings)
    seen_until = Analyzer(bundle).seen_until
    clean = rows.decided_at >= seen_until
    if not clean.any():
        raise InSampleError(_all_seen(seen_until, markets))
    return EvaluateReport(
        manifest=manifest,
        scores=evaluate(bundle.ensemble, rows.take(clean)).to_json(),
        fresh=True,
        left_out=int((~clean).sum()),
        synthetic=manifest.synthetic or any(bars.synthetic for bars in markets),
        run=_trade(request, settings, seen_until) if request.backtest else None,
    )


def _trade(request: EvaluateRequest, settings: Settings, start: np.datetime64) -> RunReport:
    """Compare ML-off and ML-on from the first clean moment on."""
    return backtest(
        RunRequest(
            settings=settings,
            files=request.files,
            start=start,
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
