"""The update command: the window that a bundle was trained on grows, and it is trained again.

1. `load_bundle` reads the version in force, and the bars that lie beside it.
2. `feeds.joining` puts new bars where the old ones end; nothing that was known goes or changes.
3. The ordinary trainer learns from the whole window: label, population, exits, costs and filter
   are the bundle's, the models have the parameters of its members.
4. Old and new are asked about the newest rows, which neither has learned from, and trade the
   newest bars.
5. The candidate is put in force if that speaks for it (`engine.jobs.updating.decision`); until
   then the old bundle serves, and afterwards it is kept. Else the candidate is dropped.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.as_trained import as_trained
from engine.jobs.bundle_remedies import remedied
from engine.jobs.log import keep_log
from engine.jobs.markets import BarSource
from engine.jobs.members import tell_of_difference
from engine.jobs.settings import Settings
from engine.jobs.train import metrics_of, origin_of, thresholds_of, usual_of
from engine.jobs.training_rows import training_rows
from engine.jobs.update_report import UpdateReport
from engine.jobs.updating.contest import Contest, contest, newest_markets
from engine.jobs.updating.decision import Decision, decide, is_look, level_of
from engine.jobs.updating.history import check_counts, looks_at, moment_of, note_look
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import Comparison, compare
from engine.jobs.updating.window import Grown, Window, exchange_since, grow, new_bars, real_bars
from feeds.bars import Bars
from feeds.clock import Clock, SystemClock
from ml.base import Model
from ml.bundle import Bundle, load_bundle, refuse_target, save_bundle
from ml.ensemble import Member
from ml.errors import BundleError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import Manifest, check_serves
from ml.models.catalog import threads_for
from ml.training.checkpoints import checkpoints
from ml.training.trainer import train

log = logging.getLogger("tandem.ml")


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """An update: the bundle it extends, settings as that was trained, and when to promote."""

    old: Bundle
    settings: Settings
    promote: Promote
    clock: Clock


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """What the newest part says of old and new, and what follows."""

    rows: Comparison
    traded: Contest | None
    decision: Decision
    look: int | None


def update_bundle(
    source: BarSource | None,
    settings: Settings,
    *,
    until: np.datetime64 | None = None,
    promote: Promote = Promote.EVIDENCE,
    clock: Clock | None = None,
) -> UpdateReport:
    """Extend the bundle at the configured path by the new bars of `source`, and train it again.

    The candidate that comes of it is put in force if `engine.jobs.updating.decision` says so.

    The bundle's own fill limit, label, population, exits, costs, filter and parameters of models
    are taken; of the settings count the rest, such as seed, threads and shares of the parts.

    Parameters
    ----------
    source : of bars behind those of the bundle; what it has of the same time must be equal. None
        for what the exchange has of the bundle's symbols since
    until : bars that close later are not read
    promote : when the candidate is put in force

    Raises
    ------
    BundleError
        if the bundle cannot be extended or written, or a look for evidence not be counted
    TrainingError
        if the bars bring nothing, contradict the old ones or cannot teach
    UsageError
        if parameters are to be searched for
    """
    with remedied(settings, "--output"):
        old = load_bundle(settings.strategy.ml_model_path, settings.members)
    tell_of_difference(old, settings)
    refuse_target(settings.strategy.ml_model_path)  # before the work, not after it
    if promote is Promote.EVIDENCE:
        check_counts(settings.strategy.ml_model_path)
    settings = _settings_of(old, settings)
    kept = old.kept.read(fill_limit=old.manifest.fill_limit)
    clock = clock or SystemClock()
    new = new_bars(old.manifest, source or exchange_since(kept, clock), settings, until)
    grown = grow(old.manifest, kept, new)
    return _train(_Job(old, settings, promote, clock), kept, grown)


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


# The training


def _train(job: _Job, kept: Sequence[Bars], grown: Sequence[Grown]) -> UpdateReport:
    old, settings = job.old, job.settings
    path = settings.strategy.ml_model_path
    markets = [each.bars for each in grown]
    every = training_rows(markets, settings, thinned=False)
    rows = every.thinned(settings.training.max_rows)
    with checkpoints(path, settings.members) as members:
        trained = train(
            rows, settings.training, _models(old, settings), seed=settings.seed, kept=members
        )
        origin = {
            **origin_of(markets, settings),
            "thresholds": thresholds_of(trained, rows, markets, settings),
            "references": usual_of(trained, rows, every, settings),
        }
        manifest = _manifest(old.manifest, metrics_of(trained, rows), origin, job.clock)
        candidate = Bundle(trained.ensemble, manifest)
        judged = _judged(job, candidate, compare(old, trained, rows), markets)
        candidate = Bundle(trained.ensemble, _with_newest(manifest, job, judged))
        promoted = judged.decision.promoted
        version = _put_in_force(job, candidate, markets) if promoted else old.kept.version
    return UpdateReport(
        manifest=candidate.manifest,
        version=version,
        previous=old.kept.version,
        before=_window(kept, _rows_of(old.manifest)),
        now=_window(markets, len(rows)),
        growth=[each.growth for each in grown],
        comparison=judged.rows,
        traded=judged.traded,
        promote=job.promote,
        decision=judged.decision,
        look=judged.look,
    )


def _put_in_force(job: _Job, candidate: Bundle, markets: Sequence[Bars]) -> Path:
    """Keep the candidate with its bars and its log; return its folder."""
    version = save_bundle(
        candidate.ensemble,
        candidate.manifest,
        job.settings.strategy.ml_model_path,
        bars=markets,
        extends=job.old,
        members=job.settings.members,
    )
    keep_log(version)
    return version


def _judged(job: _Job, candidate: Bundle, rows: Comparison, markets: Sequence[Bars]) -> _Judged:
    """Let old and new trade the newest part, and decide; a look counts before it decides."""
    settings, version = job.settings, job.old.kept.version
    by_evidence = job.promote is Promote.EVIDENCE
    look = looks_at(version.parent, version.name) + 1 if by_evidence else 1
    newest = newest_markets(markets, rows.since, settings.strategy.warmup_bars)
    traded = None
    if newest:
        level = level_of(job.promote, look)
        traded = contest(job.old, candidate, newest, settings, level=level)
    looked = is_look(job.promote, traded)
    if looked:
        _note_look(job, look)
    decision = decide(job.promote, rows, traded)
    log.info("%s", decision.why)
    return _Judged(rows, traded, decision, look if looked else None)


def _note_look(job: _Job, look: int) -> None:
    """Count the look, whatever becomes of the update: its figures may have been seen."""
    version, promote = job.old.kept.version, job.promote
    facts = {"promote": str(promote), "look": look, "level": level_of(promote, look)}
    known = {"previous": version.name, "in_force": version.name}
    note_look(version.parent, {"at": moment_of(job.clock), **facts, **known})


def _with_newest(manifest: Manifest, job: _Job, judged: _Judged) -> Manifest:
    """Return the candidate's manifest with what the newest part said."""
    traded = judged.traded
    newest = {
        "extends": job.old.kept.version.name,
        **judged.rows.to_json(),
        "traded": None if traded is None else traded.to_json(),
        "promote": str(job.promote),
        "why": judged.decision.why,
    }
    return manifest.model_copy(update={"metrics": {**manifest.metrics, "newest": newest}})


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
        bars=sum(map(real_bars, markets)),
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
