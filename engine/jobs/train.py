"""The train command: files of bars in, a bundle out that knows what it has seen."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.jobs.learning_report import training_text
from engine.jobs.markets import BarFiles
from engine.jobs.settings import Settings
from engine.jobs.training_rows import training_rows
from feeds.bars import Bars
from feeds.clock import Clock, SystemClock
from ml.bundle import refuse_target, save_bundle
from ml.errors import TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest
from ml.models.catalog import default_models
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train

log = logging.getLogger("tandem.ml")


@dataclass(frozen=True, slots=True)
class TrainReport:
    """A bundle that was just made, and where."""

    manifest: Manifest
    path: Path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        facts = self.manifest.model_dump(mode="json", exclude={"feature_names"})
        return {"bundle": str(self.path), "features": len(self.manifest.feature_names), **facts}

    def text(self) -> str:
        """Return the tables that a person reads."""
        return f"{training_text(self.manifest)}\nkept in {self.path}"


def train_on_files(
    files: BarFiles, settings: Settings, *, until: np.datetime64 | None = None
) -> TrainReport:
    """Read the files, train on the bars known at `until` and keep the bundle."""
    refuse_target(settings.strategy.ml_model_path)  # before the work, not after it
    return train_bundle(files.read(settings.data), settings, until=until)


def train_bundle(
    markets: Sequence[Bars],
    settings: Settings,
    *,
    until: np.datetime64 | None = None,
    clock: Clock | None = None,
) -> TrainReport:
    """Train on the bars known at `until` and keep the bundle at the configured path.

    Its `seen_until` is the close of the last bar that was read, the test part included: who has
    looked at the test's figures has tuned by them.

    Raises
    ------
    TrainingError
        if the bars cannot teach
    BundleError
        if the bundle cannot be written
    """
    path = settings.strategy.ml_model_path
    refuse_target(path)
    seen = _seen(markets, until)
    rows = training_rows(seen, settings)
    log.info("%d rows of %d bars of %s", len(rows), sum(map(len, seen)), ", ".join(rows.symbols))
    training = settings.training
    models = default_models(training.preset, seed=settings.seed, jobs=training.jobs)
    trained = train(rows, training, models, seed=settings.seed)
    manifest = Manifest(
        created_at=(clock or SystemClock()).now(),
        metrics=_metrics(trained, rows),
        **_origin(seen, settings),
    )
    save_bundle(trained.ensemble, manifest, path)
    return TrainReport(manifest, path)


def _seen(markets: Sequence[Bars], until: np.datetime64 | None) -> list[Bars]:
    """Return the bars known at `until`; markets without any are left out, and said so."""
    seen = [bars if until is None else bars.known_at(until) for bars in markets]
    for bars in seen:
        if not len(bars):
            log.warning("%s has no bars until %sZ and is left out", bars.symbol, until)
    if not any(map(len, seen)):
        raise TrainingError(f"a training needs bars that closed by {until}Z, found none")
    return [bars for bars in seen if len(bars)]


def _metrics(trained: Trained, rows: TrainingSet) -> dict[str, Any]:
    parts = {"test": trained.parts.test, "calibrate": trained.parts.calibrate}
    scores = {
        name: evaluate(trained.ensemble, rows.take(part)).to_json() for name, part in parts.items()
    }
    return {"training": trained.report.to_json(), **scores}


def _origin(seen: Sequence[Bars], settings: Settings) -> dict[str, Any]:
    """Return what the manifest says of the data and of the strategy it was trained for."""
    strategy, training = settings.strategy, settings.training
    return {
        "feature_names": FEATURE_NAMES,
        "label": label_facts(training),
        "population": training.population,
        "exits": strategy.exits.model_dump(mode="json"),
        "costs": asdict(settings.costs),
        "mandatory": strategy.mandatory_filter,
        "symbols": tuple(bars.symbol for bars in seen),
        "timeframe": str(seen[0].timeframe),
        "seen_until": max(bars.closed_at[-1] for bars in seen),
        "data_digests": {bars.symbol: bars.digest() for bars in seen},
        "seed": settings.seed,
        "synthetic": any(bars.synthetic for bars in seen),
        "fill_limit": settings.data.fill_limit,
    }


def label_facts(training: TrainingConfig) -> dict[str, Any]:
    """Return which label was learned; the barrier label's exits and costs stand beside it."""
    if training.label == "barrier":
        return {"kind": "barrier"}
    return {
        "kind": "horizon",
        "lookahead": training.lookahead,
        "profit_threshold": training.profit_threshold,
    }
