"""The bundle that a run asks: loaded, checked against the run, never on bars it has seen."""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum

import numpy as np

from engine.jobs.bundle_remedies import with_remedy
from engine.jobs.markets import Market
from engine.jobs.members import tell_of_difference
from engine.jobs.settings import PlainSettings, RunSettings, Settings
from engine.jobs.walking.analyzer import WindowAnalyzers
from feeds.bars import BoolArray, TimeArray
from feeds.moments import readable
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.bundle import Bundle, load_bundle
from ml.errors import BundleError, InSampleError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves, check_strategy
from strategies.views import NoEnsemble

log = logging.getLogger("tandem.ml")


class MLMode(StrEnum):
    """Whether the ensemble is asked; COMPARE makes a run without and a run with it."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"
    COMPARE = "compare"


def wants_ml(settings: RunSettings, mode: MLMode) -> bool:
    """Return whether the run asks the ensemble: the mode decides, for AUTO the settings."""
    return settings.strategy.use_ml_ensemble if mode is MLMode.AUTO else mode is not MLMode.OFF


def analyzer_for(
    settings: Settings, timeframe: Timeframe, mode: MLMode
) -> Analyzer | NoEnsemble | None:
    """Return the ensemble to ask, the reason why there is none, or None where ML is off."""
    if not wants_ml(settings, mode):
        return None
    try:
        return serving_analyzer(settings, timeframe)
    except BundleError as error:
        return _without(error, settings, mode)


def plain_analyzer(
    settings: PlainSettings, timeframe: Timeframe, mode: MLMode
) -> Analyzer | NoEnsemble:
    """Return the ensemble that a plain strategy asks, or in mode AUTO why there is none.

    It has no exits or candidate bars that a bundle could have been trained for.
    """
    try:
        bundle = load_bundle(settings.strategy.ml_model_path, settings.members)
        manifest = bundle.manifest
        check_serves(manifest, timeframe=str(timeframe), feature_names=FEATURE_NAMES)
    except BundleError as error:
        return _without(error, settings, mode)
    if manifest.population == "candidates":
        log.warning(
            "the bundle learned from candidate bars of %s alone, and this strategy asks about bars "
            "of its own choice: --population all trains one for any bar",
            manifest.strategy.get("name"),
        )
    return Analyzer(bundle)


def _without(error: BundleError, settings: RunSettings, mode: MLMode) -> NoEnsemble:
    """Return the reason for the journal, which is the same wherever it happens; raise on demand."""
    told = with_remedy(error, settings)
    if mode is not MLMode.AUTO:
        raise told from error
    log.warning("TRADING WITHOUT ML: %s", told)
    return NoEnsemble(str(error))


def serving_analyzer(settings: Settings, timeframe: Timeframe) -> Analyzer:
    """Return the analyzer of the configured bundle, or raise what keeps it from serving."""
    bundle = load_bundle(settings.strategy.ml_model_path, settings.members)
    return serving(bundle, settings, timeframe)


def serving(bundle: Bundle, settings: Settings, timeframe: Timeframe) -> Analyzer:
    """Return the analyzer of a bundle, or raise what keeps it from serving the run."""
    check_strategy(bundle.manifest, settings.strategy.identity)
    check_serves(
        bundle.manifest,
        timeframe=str(timeframe),
        feature_names=FEATURE_NAMES,
        entry=settings.strategy.entry.facts,
        exits=settings.strategy.exits.model_dump(mode="json"),
        mandatory=settings.strategy.mandatory_filter,
    )
    _warn_of_other_costs(bundle.manifest, settings)
    tell_of_difference(bundle, settings)
    return Analyzer(bundle)


def _warn_of_other_costs(manifest: Manifest, settings: Settings) -> None:
    """Say it when a label that counts costs was learned at others than the run pays."""
    if manifest.label.get("kind") in ("barrier", "payoff") and manifest.costs != asdict(
        settings.costs
    ):
        log.warning(
            "the bundle learned which trades end in profit at costs %s; this run pays %s",
            dict(manifest.costs),
            asdict(settings.costs),
        )


def is_in_sample(analyzer: Analyzer | WindowAnalyzers, markets: Sequence[Market]) -> bool:
    """Return True if any bar of the run was decided before the last seen moment of its bundle."""
    return any(bool(np.any(_has_seen(analyzer, market.decided))) for market in markets)


def _has_seen(analyzer: Analyzer | WindowAnalyzers, decided: TimeArray) -> BoolArray:
    if isinstance(analyzer, WindowAnalyzers):
        return analyzer.has_seen(decided)
    return decided < analyzer.seen_until


def refuse_in_sample(
    analyzer: Analyzer, markets: Sequence[Market], *, allowed: bool, compare: bool
) -> None:
    """Raise `InSampleError` if the run would ask about bars that the bundle has seen."""
    if (allowed and not compare) or not is_in_sample(analyzer, markets):
        return
    first = min(market.decided[0] for market in markets)
    clean = f"start at the first clean date with --start-date {_flag(analyzer.seen_until)}"
    otherwise = (
        " (--in-sample does not apply to a comparison)"
        if compare
        else ", or add --in-sample to see a stamped, flattered result"
    )
    raise InSampleError(
        f"the bundle has seen data until {readable(analyzer.seen_until)} and the run's first "
        f"bar is decided at {readable(first)}: that is in-sample; {clean}{otherwise}"
    )


def _flag(moment: np.datetime64) -> str:
    """Return the moment as a flag takes it: a date if it is midnight, else with the minute."""
    text = str(moment.astype("datetime64[m]"))
    return text.removesuffix("T00:00")
