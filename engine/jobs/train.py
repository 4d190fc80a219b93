"""The train command: files of bars in, a bundle out that knows what it has seen."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from engine.jobs.auditing.rule_check import check_rules_on
from engine.jobs.learning_report import training_text
from engine.jobs.log import keep_log
from engine.jobs.markets import AskedBars
from engine.jobs.members import check_configured, configured
from engine.jobs.settings import Settings
from engine.jobs.thresholds import fitted_thresholds
from engine.jobs.training_rows import asked_facts, training_rows
from engine.jobs.tuning_report import tuning_text
from feeds.bars import Bars
from feeds.clock import Clock, SystemClock
from ml.base import Model
from ml.bundle import refuse_target, save_bundle
from ml.errors import TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest
from ml.models.catalog import default_models
from ml.models.device import device_here
from ml.prediction import Thresholds
from ml.references import References
from ml.training.checkpoints import checkpoints
from ml.training.config import TrainingConfig
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.references import LEAST_ROWS, references_of
from ml.training.trainer import Trained, train
from ml.training.trial_file import trial_file

log = logging.getLogger("tandem.ml")

Models: TypeAlias = Mapping[str, tuple[float, Model]]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """A training that is over: what it learned from, what came of it, and the kept bundle."""

    rows: TrainingSet
    trained: Trained
    report: "TrainReport"


@dataclass(frozen=True, slots=True)
class TrainReport:
    """A bundle that was just made, and where."""

    manifest: Manifest
    path: Path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        facts = self.manifest.model_dump(mode="json", exclude={"feature_names", "references"})
        return {"bundle": str(self.path), "features": len(self.manifest.feature_names), **facts}

    def text(self) -> str:
        """Return the tables that a person reads."""
        said = f"{training_text(self.manifest)}{tuning_text(self.manifest)}\n"
        if self.manifest.references is None:
            said += (
                f"drift: a paper session will not watch it, for that a bundle must be trained on "
                f"{LEAST_ROWS:,} decisive bars or more\n"
            )
        return f"{said}kept in {self.path}"


def train_on(asked: AskedBars, settings: Settings) -> TrainReport:
    """Read the bars, train on them and keep the bundle."""
    refuse_target(settings.strategy.ml_model_path)  # before the work, not after it
    check_configured(settings)
    device_here(settings.training.device)
    return train_bundle(asked.read(settings.data, settings.strategy.warmup_bars), settings)


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
    return learn_bundle(known_bars(markets, until), settings, clock=clock).report


def learn_bundle(
    seen: Sequence[Bars], settings: Settings, *, keep_bars: bool = True, clock: Clock | None = None
) -> Learned:
    """Train on all of the bars and keep the bundle at the configured path, by default with them.

    Raises
    ------
    RunError
        if a rule of a user's file looks ahead
    TrainingError
        if the bars cannot teach
    BundleError
        if the bundle cannot be written
    """
    path = settings.strategy.ml_model_path
    refuse_target(path)
    check_rules_on(seen, settings.strategy)
    every = training_rows(seen, settings, thinned=False)
    rows = every.thinned(settings.training.max_rows)
    log.info("%d rows of %d bars of %s", len(rows), sum(map(len, seen)), ", ".join(rows.symbols))
    with checkpoints(path, settings.members) as kept:
        models, tuning = _models(rows, settings)
        trained = train(rows, settings.training, models, seed=settings.seed, kept=kept)
        manifest = Manifest(
            created_at=(clock or SystemClock()).now(),
            metrics=metrics_of(trained, rows),
            tuning=tuning,
            thresholds=thresholds_of(trained, rows, seen, settings),
            references=usual_of(trained, rows, every, settings),
            **origin_of(seen, settings),
        )
        kept_bars = seen if keep_bars else ()
        version = save_bundle(
            trained.ensemble, manifest, path, bars=kept_bars, members=settings.members
        )
        keep_log(version)
    return Learned(rows, trained, TrainReport(manifest, path))


def known_bars(markets: Sequence[Bars], until: np.datetime64 | None) -> list[Bars]:
    """Return the bars known at `until`; markets without any are left out, and said so."""
    seen = [bars if until is None else bars.known_at(until) for bars in markets]
    for bars in seen:
        if not len(bars):
            log.warning("%s has no bars until %sZ and is left out", bars.symbol, until)
    if not any(map(len, seen)):
        raise TrainingError(f"a training needs bars that closed by {until}Z, found none")
    return [bars for bars in seen if len(bars)]


def _models(rows: TrainingSet, settings: Settings) -> tuple[Models, dict[str, Any]]:
    """Return the models to train, and what the manifest says of how they were tuned."""
    training = settings.training
    device = device_here(training.device)
    five = default_models(training.preset, seed=settings.seed, jobs=training.jobs, device=device)
    models: Models = configured(five, settings)
    if not training.optimize:
        return models, {}
    from ml.training.tuning import tune  # a training without a search starts without Optuna

    storage = trial_file(settings.strategy.ml_model_path)
    found = tune(rows, training, models, seed=settings.seed, storage=storage)
    return found.applied_to(models), found.to_json()


def thresholds_of(
    trained: Trained, rows: TrainingSet, seen: Sequence[Bars], settings: Settings
) -> Thresholds | None:
    """Return the thresholds fitted on the calibrate part; None where the configured ones stay."""
    if not settings.training.fit_thresholds:
        return None
    held_out = rows.take(trained.parts.calibrate)
    return fitted_thresholds(trained.ensemble, held_out, seen, settings)


def usual_of(
    trained: Trained, rows: TrainingSet, every: TrainingSet, settings: Settings
) -> References | None:
    """Return what is usual for the rows that a run asks about; None if there are too few.

    Parameters
    ----------
    rows : that were divided into parts
    every : from which they were thinned
    """
    held_from = rows.decided_at[trained.parts.calibrate].min()
    asked = asked_facts(settings.strategy)
    return references_of(trained.ensemble, every, held_from=held_from, asked=asked)


def metrics_of(trained: Trained, rows: TrainingSet) -> dict[str, Any]:
    """Return what the manifest says of the training, and how good it is on held-out rows."""
    parts = {"test": trained.parts.test, "calibrate": trained.parts.calibrate}
    scores = {
        name: evaluate(trained.ensemble, rows.take(part)).to_json()
        for name, part in parts.items()
        if len(part)
    }
    return {"training": trained.report.to_json(), **scores}


def origin_of(seen: Sequence[Bars], settings: Settings) -> dict[str, Any]:
    """Return what the manifest says of the data and of the strategy it was trained for."""
    strategy, training = settings.strategy, settings.training
    return {
        "feature_names": FEATURE_NAMES,
        "label": label_facts(training),
        "population": training.population,
        "entry": strategy.entry.facts,
        "exits": strategy.exits.model_dump(mode="json"),
        "costs": asdict(settings.costs),
        "mandatory": strategy.mandatory_filter,
        "strategy": strategy.identity,
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
    if training.label != "horizon":
        return {"kind": training.label}
    return {
        "kind": "horizon",
        "lookahead": training.lookahead,
        "profit_threshold": training.profit_threshold,
    }
