"""The update command: the window that a bundle was trained on grows, and it is trained again.

1. `load_bundle` reads the version in force, and the bars that lie beside it.
2. `feeds.joining` puts new bars where the old ones end; nothing that was known goes or changes.
3. The ordinary trainer learns from the whole window: label, population, exits, costs and filter
   are the bundle's, the models have the parameters of its members.
4. Old and new are asked about the newest rows, which neither has learned from.
5. The new version is put in force; until then the old one serves, and it is kept.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.as_trained import as_trained
from engine.jobs.log import keep_log
from engine.jobs.markets import BarSource, ExchangeBars, last_close
from engine.jobs.members import tell_of_difference
from engine.jobs.settings import Settings
from engine.jobs.train import metrics_of, origin_of, thresholds_of, usual_of
from engine.jobs.training_rows import training_rows
from engine.jobs.update_report import Comparison, Growth, UpdateReport, Window
from feeds.bars import Bars
from feeds.clock import Clock, SystemClock
from feeds.errors import BadBarsError
from feeds.joining import join_bars
from feeds.moments import readable
from ml.base import Model
from ml.bundle import Bundle, load_bundle, refuse_target, save_bundle
from ml.ensemble import Member
from ml.errors import BundleError, TrainingError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves
from ml.models.catalog import threads_for
from ml.splits import Parts
from ml.training.checkpoints import checkpoints
from ml.training.data_pipeline import TrainingSet
from ml.training.evaluator import evaluate
from ml.training.trainer import Trained, train

log = logging.getLogger("tandem.ml")

MIN_COMPARED = 100  # rows; what fewer say of two versions is chance


@dataclass(frozen=True, slots=True, eq=False)
class _Grown:
    """The bars of a symbol as they are now, and how they came to be that many."""

    bars: Bars
    growth: Growth


def update_bundle(
    source: BarSource | None,
    settings: Settings,
    *,
    until: np.datetime64 | None = None,
    clock: Clock | None = None,
) -> UpdateReport:
    """Extend the bundle at the configured path by the new bars of `source`, and train it again.

    The bundle's own fill limit, label, population, exits, costs, filter and parameters of models
    are taken; of the settings count the rest, such as seed, threads and shares of the parts.

    Parameters
    ----------
    source : of bars behind those of the bundle; what it has of the same time must be equal. None
        for what the exchange has of the bundle's symbols since
    until : bars that close later are not read

    Raises
    ------
    BundleError
        if the bundle cannot be extended or written
    TrainingError
        if the bars bring nothing, contradict the old ones or cannot teach
    UsageError
        if parameters are to be searched for
    """
    old = load_bundle(settings.strategy.ml_model_path, settings.members)
    tell_of_difference(old, settings)
    refuse_target(settings.strategy.ml_model_path)  # before the work, not after it
    settings = _settings_of(old, settings)
    kept = old.kept.read(fill_limit=old.manifest.fill_limit)
    clock = clock or SystemClock()
    new = _new(old.manifest, source or _since(kept, clock), settings, until)
    return _train(old, kept, _grow(old.manifest, kept, new), settings, clock)


def _settings_of(old: Bundle, settings: Settings) -> Settings:
    """Return the settings under which the bundle was trained, if this machine can do it again."""
    if settings.training.optimize:
        raise UsageError(
            "an update keeps the parameters of the bundle's models and searches for no others: "
            "leave the search (training.optimize) away, or train once with the whole history"
        )
    manifest = old.manifest
    check_serves(manifest, timeframe=manifest.timeframe, feature_names=FEATURE_NAMES)
    for name, reason in old.ensemble.left_out.items():
        raise BundleError(
            f"{old.kept.version}: an update trains every member anew, and {name} cannot be loaded: "
            f"{reason}; install its library"
        )
    if settings.data.fill_limit != manifest.fill_limit:
        log.warning(
            "gaps of up to %d bars are filled, as the bundle was trained, not %d as configured",
            manifest.fill_limit,
            settings.data.fill_limit,
        )
    return as_trained(settings, manifest)


# The window


def _since(kept: Sequence[Bars], clock: Clock) -> ExchangeBars:
    """Return the exchange's bars from where the first of the symbols ends."""
    if any(bars.synthetic for bars in kept):
        raise UsageError(
            "no exchange goes on with simulated bars: name a file of later ones with --data"
        )
    timeframe = kept[0].timeframe
    start = min(bars.time[-1] for bars in kept)
    symbols = [bars.symbol for bars in kept]
    return ExchangeBars(symbols, timeframe, start, last_close(timeframe, clock))


def _new(
    manifest: Manifest, source: BarSource, settings: Settings, until: np.datetime64 | None
) -> list[Bars]:
    """Return the new bars of each symbol, known at `until`, of the bundle's timeframe."""
    markets = source.read(settings.data)
    for bars in markets:
        check_serves(manifest, timeframe=str(bars.timeframe), feature_names=FEATURE_NAMES)
    return [bars if until is None else bars.known_at(until) for bars in markets]


def _grow(manifest: Manifest, kept: Sequence[Bars], new: Sequence[Bars]) -> list[_Grown]:
    """Return the bars of every symbol, those of the bundle first."""
    offered = {bars.symbol: bars for bars in new}
    grown = [_extended(old, offered.pop(old.symbol, None), manifest.fill_limit) for old in kept]
    for stranger in offered.values():
        _refuse_stranger(stranger, kept)
        bars = _from(min(old.time[0] for old in kept), stranger)
        if len(bars):
            grown.append(_Grown(bars, Growth(symbol=bars.symbol, before=0, added=_real(bars))))
    if not any(each.growth.added for each in grown):
        raise TrainingError(_nothing_new(kept, new))
    for each in grown:
        for note in each.growth.notes():
            log.warning("%s", note)
    return grown


def _from(start: np.datetime64, stranger: Bars) -> Bars:
    """Return the bars of a new symbol from where the bundle's window begins.

    The parts are shares of the time: older bars would move rows that were learned from, or that
    parameters were searched on, into a later part.
    """
    bars = stranger[stranger.index_from(start) :]
    if len(bars) < len(stranger):
        log.warning(
            "%s: its bars before %s are left out, where the bundle's window begins",
            stranger.symbol,
            readable(start),
        )
    return bars


def _extended(old: Bars, new: Bars | None, fill_limit: int) -> _Grown:
    if new is None:
        return _Grown(old, Growth(symbol=old.symbol, before=_real(old), added=0))
    try:
        joined = join_bars(old, new, fill_limit=fill_limit)
    except BadBarsError as error:
        raise TrainingError(
            f"{error}; an update cannot know which is right: train once with the whole history"
        ) from error
    growth = Growth(
        symbol=old.symbol,
        before=_real(old),
        added=joined.added,
        passed_over=joined.passed_over,
        missing=joined.missing,
    )
    return _Grown(joined.bars, growth)


def _refuse_stranger(bars: Bars, kept: Sequence[Bars]) -> None:
    """Refuse a new symbol that could not have been trained with those of the bundle."""
    quotes = {each.symbol.split("/")[1] for each in kept}
    if bars.symbol.split("/")[1] not in quotes:
        raise TrainingError(
            f"{bars.symbol}: a bundle is for one quote currency, this one for "
            f"{', '.join(sorted(quotes))}; train another bundle for it"
        )
    if bars.synthetic not in {each.synthetic for each in kept}:
        found, known = ("simulated", "real") if bars.synthetic else ("real", "simulated")
        raise TrainingError(
            f"{bars.symbol}: the bars of a bundle are all real or all simulated, found {found} "
            f"ones for a bundle of {known} ones; train another bundle for them"
        )


def _nothing_new(kept: Sequence[Bars], new: Sequence[Bars]) -> str:
    return (
        f"an update needs bars behind those of the bundle ({_ends(kept)}), found {_ends(new)}: "
        f"give later bars"
    )


def _ends(markets: Sequence[Bars]) -> str:
    ends = (f"{b.symbol} until {readable(b.closed_at[-1])}" for b in markets if len(b))
    return ", ".join(ends) or "none"


def _real(bars: Bars) -> int:
    return int((~bars.filled).sum())


# The training


def _train(
    old: Bundle, kept: Sequence[Bars], grown: Sequence[_Grown], settings: Settings, clock: Clock
) -> UpdateReport:
    path = settings.strategy.ml_model_path
    markets = [each.bars for each in grown]
    every = training_rows(markets, settings, thinned=False)
    rows = every.thinned(settings.training.max_rows)
    with checkpoints(path, settings.members) as members:
        trained = train(
            rows, settings.training, _models(old, settings), seed=settings.seed, kept=members
        )
        comparison = compare(old, trained, rows)
        newest = {"extends": old.kept.version.name, **comparison.to_json()}
        metrics = {**metrics_of(trained, rows), "newest": newest}
        origin = {
            **origin_of(markets, settings),
            "thresholds": thresholds_of(trained, rows, markets, settings),
            "references": usual_of(trained, rows, every, settings),
        }
        manifest = _manifest(old.manifest, metrics, origin, clock)
        version = save_bundle(
            trained.ensemble, manifest, path, bars=markets, extends=old, members=settings.members
        )
        keep_log(version)
    return UpdateReport(
        manifest=manifest,
        version=version,
        previous=old.kept.version,
        before=_window(kept, _rows_of(old.manifest)),
        now=_window(markets, len(rows)),
        growth=[each.growth for each in grown],
        comparison=comparison,
    )


def _models(old: Bundle, settings: Settings) -> dict[str, tuple[float, Model]]:
    """Return weight and unfitted model of every member: its parameters, our seed and threads."""
    return {
        member.name: (member.weight, _anew(member, settings)) for member in old.ensemble.members
    }


def _anew(member: Member, settings: Settings) -> Model:
    model: Any = member.model
    params = model.get_params(deep=False)
    ours = {"seed": settings.seed, "jobs": threads_for(member.name, settings.training.jobs)}
    made: Model = type(model)(**params | {key: ours[key] for key in ours.keys() & params.keys()})
    return made


def _manifest(
    old: Manifest, metrics: dict[str, Any], origin: dict[str, Any], clock: Clock
) -> Manifest:
    """Return what the new version says of itself: it has seen all that the old one had."""
    seen_until = max(old.seen_until_ms, origin["seen_until"])
    facts = {**origin, "seen_until": seen_until, "tuning": old.tuning, "metrics": metrics}
    return Manifest(created_at=clock.now(), **facts)


def _window(markets: Sequence[Bars], rows: int | None) -> Window:
    return Window(
        bars=sum(map(_real, markets)),
        rows=rows,
        first=min(bars.time[0] for bars in markets),
        until=max(bars.closed_at[-1] for bars in markets),
    )


def _rows_of(manifest: Manifest) -> int | None:
    """Return how many rows the training of the manifest had."""
    training: Any = manifest.metrics.get("training")
    if training is None:
        return None
    rows: int = training["purged"] + sum(part["rows"] for part in training["parts"].values())
    return rows


# Old against new


def compare(old: Bundle, trained: Trained, rows: TrainingSet) -> Comparison:
    """Ask both versions about the newest rows, which are out of sample for both."""
    since = newest_from(old.manifest.seen_until_ms, trained.parts, rows)
    newest = rows.take(rows.decided_at >= since)
    found = Comparison(since=since, rows=len(newest), ones=int(newest.y.sum()))
    untold = _untold(found)
    if untold is None:
        try:
            asked = evaluate(old.ensemble, newest).to_json()
        except TrainingError as error:  # then an update mends it
            untold = f"the old version has no answer: {error}"
        else:
            return replace(found, old=asked, new=evaluate(trained.ensemble, newest).to_json())
    return replace(found, untold=untold)


def newest_from(seen_until: np.datetime64, parts: Parts, rows: TrainingSet) -> np.datetime64:
    """Return the moment from which on a row is new to both versions.

    The old one has seen what was known at `seen_until`, its test part included; the new one has
    learned and was calibrated before its own test part.
    """
    start: np.datetime64 = rows.decided_at[parts.test].min()
    return max(seen_until, start)


def _untold(found: Comparison) -> str | None:
    if found.rows < MIN_COMPARED:
        return f"it takes {MIN_COMPARED} rows at least"
    if found.ones in (0, found.rows):
        return "it takes rows of both labels"
    return None
