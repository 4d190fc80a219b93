"""Keys of a space that could change nothing, or that the ensemble's bundle does not allow.

And those that keep the settings at hand from being among the sets.
"""

import logging
from collections.abc import Iterator, Mapping

from engine.errors import ConfigError, UsageError
from engine.jobs.searching.space import Space, applied, missing
from engine.jobs.searching.values import Choice, Given, Span
from engine.jobs.settings import Settings
from engine.jobs.walking.analyzer import WindowAnalyzers
from engine.search_words import said
from ml.analyzer import Analyzer
from ml.errors import BundleMismatchError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves
from strategies.config import OpinionPoints

log = logging.getLogger("tandem.search")

_THRESHOLDS = tuple(
    f"strategy.ml_{name}_threshold" for name in ("strong", "entry", "weak", "avoid")
)
_OPINION = (*_THRESHOLDS, *(f"strategy.points.{name}" for name in OpinionPoints.model_fields))


def check_effect(
    space: Space, settings: Settings, ensemble: Analyzer | WindowAnalyzers | None
) -> None:
    """Raise `UsageError` if a key of the space cannot be searched for with this ensemble.

    Parameters
    ----------
    ensemble : who is asked; None for ML-off
    """
    if ensemble is None:
        silent = [key for key in space.spans if key in _OPINION]
        if silent:
            raise UsageError(
                f"{silent[0]} changes nothing without the ensemble: add --ml on, or leave the key "
                "out of the space"
            )
        return
    single = isinstance(ensemble, Analyzer)
    analyzers = [ensemble] if isinstance(ensemble, Analyzer) else ensemble.analyzers
    for analyzer in analyzers:
        manifest = analyzer.bundle.manifest
        if manifest.thresholds is not None:
            _refuse_thresholds(space, single=single)
        for key, span in space.spans.items():
            for value in _ends(span):
                _check_served(manifest, settings, {key: value})


def warn_of_missing(space: Space, settings: Settings) -> None:
    """Warn if the settings at hand cannot be among the sets; name what the space does not hold."""
    left_out = missing(settings, space)
    if left_out:
        log.warning(
            "the settings at hand are not among the sets, for the space must hold them and does "
            "not hold %s: widen it there to compare the best with them",
            ", ".join(f"{key} = {said(value)}" for key, value in left_out.items()),
        )


def _refuse_thresholds(space: Space, *, single: bool) -> None:
    fitted = [key for key in space.spans if key in _THRESHOLDS]
    if fitted:
        whose = "the bundle brings" if single else "the windows' bundles bring"
        raise UsageError(
            f"{fitted[0]} changes nothing: {whose} fitted thresholds, which come first; leave the "
            "key out of the space"
        )


def _check_served(manifest: Manifest, settings: Settings, values: Mapping[str, Choice]) -> None:
    """Raise if the bundle does not serve settings with this value."""
    try:
        strategy = applied(settings, values).strategy
    except ConfigError:  # it may go together with values of other keys
        return
    try:
        check_serves(
            manifest,
            timeframe=manifest.timeframe,
            feature_names=FEATURE_NAMES,
            entry=strategy.entry.facts,
            exits=strategy.exits.model_dump(mode="json"),
            mandatory=strategy.mandatory_filter,
        )
    except BundleMismatchError as error:
        key = next(iter(values))
        raise UsageError(
            f"{key} cannot be searched for with the ensemble: {error}; or leave the key out of the "
            "space, or search with --ml off"
        ) from error


def _ends(span: Given) -> Iterator[Choice]:
    if isinstance(span, Span):
        yield from (span.low, span.high)
    else:
        yield from span.choices
