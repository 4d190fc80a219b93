"""The bundles of a walk-forward: trained window by window, each kept as its training ends.

    <out>/walk_forward/<digest>/window-03/bundle/      the bundle
                                          window.json  its record, written last

The digest is of all that shapes the bundles: bars, code, libraries, settings, windows. So the same
walk-forward finds what it has finished, and another one never takes it for its own. Windows are
jobs that need no other (`engine.jobs.spreading`): how many are trained side by side, and on which
machine, changes no result.
"""

import hashlib
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from engine.errors import RunError
from engine.jobs.settings import Settings
from engine.jobs.spreading.code import digest_of_code
from engine.jobs.spreading.here import Processes
from engine.jobs.spreading.task import Backend, Task
from engine.jobs.train import Learned, known_bars, learn_bundle
from engine.jobs.walking.windows import Window, WindowSpec
from feeds.atomic import atomic_text
from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.progress import progress
from ml.bundle import Bundle, copy_bundle, load_bundle
from ml.drift import Reference
from ml.errors import BundleError, MLError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import library_versions
from ml.models.device import device_here

log = logging.getLogger("tandem.ml")

_CODE = (
    "feeds",
    "ml",
    "strategies",
    "engine/jobs/thresholds.py",
    "engine/jobs/train.py",
    "engine/jobs/training_rows.py",
    "engine/jobs/walking/bundles.py",
)

# What says how bundles are used, not what they learn: it may change and they are taken up.
_USE: dict[str, Any] = {
    "broker": {"cash"},
    "data": {"store", "exchange", "base_url"},
    "protections": True,
    "statistics": True,
    "strategy": {"use_ml_ensemble", "ml_model_path", "sizing"},
    "training": {"jobs"},
}
# Thresholds are fitted to the rest of the scoring; where they are not, it is use too.
_SCORING = {
    "ml_strong_threshold",
    "ml_entry_threshold",
    "ml_weak_threshold",
    "ml_avoid_threshold",
    "min_entry_score",
    "points",
}


class Record(BaseModel):
    """What is kept of a window beside its bundle.

    Attributes
    ----------
    window : in words
    bundle : digest of the bundle
    features : how each feature is distributed in the train part
    probability : how the ensemble's answers are on the calibrate part, which no member learned from
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: str
    bundle: str
    features: dict[str, Reference]
    probability: Reference


@dataclass(frozen=True, slots=True, eq=False)
class WindowBundle:
    """A window whose training is over."""

    window: Window
    path: Path
    bundle: Bundle
    record: Record


@dataclass(frozen=True, slots=True)
class _Job:
    """One training, and where its bundle is kept: below `folder`, or nowhere if that is None.

    It holds no bars: they are shared by all.
    """

    window: Window
    settings: Settings
    folder: Path | None
    keep_bars: bool

    def __str__(self) -> str:
        return str(self.window)


@dataclass(frozen=True, slots=True)
class _Ended:
    """What comes of a training: the files of a bundle that nobody has kept yet, and its record."""

    seconds: float
    record: Record
    files: Mapping[str, bytes]


def windows_digest(
    bars: Sequence[Bars], settings: Settings, spec: WindowSpec, windows: Sequence[Window]
) -> str:
    """Return the SHA-256 of all that shapes the bundles of a walk-forward."""
    facts = {
        "bars": {each.symbol: each.digest() for each in bars},
        "code": digest_of_code(_CODE),
        "libraries": library_versions(),
        "settings": _placed(settings).model_dump(mode="json", exclude=_unheeded(settings)),
        "windows": [str(spec), *map(str, windows)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _unheeded(settings: Settings) -> dict[str, Any]:
    if settings.training.fit_thresholds:
        return _USE
    return {**_USE, "strategy": _USE["strategy"] | _SCORING}


def train_windows(
    bars: Sequence[Bars],
    settings: Settings,
    windows: Sequence[Window],
    folder: Path,
    backend: Backend | None = None,
) -> list[WindowBundle]:
    """Return the bundle of each window; what `folder` holds of them is taken up.

    Only the last one keeps its bars, to be extended when it is traded with.

    Parameters
    ----------
    backend : where they are trained; None for as many processes as a model may use threads

    Raises
    ------
    RunError
        if a window cannot be trained; the message names it
    """
    backend = backend or Processes(settings.training.jobs)
    own = _own_settings(settings)
    if not backend.far:
        device_here(own.training.device)  # before the work, not after it
    found: dict[Window, WindowBundle] = {}
    for window in windows:
        kept = _finished(window, folder, own)
        if kept is not None:
            found[window] = kept
            log.info("%s is taken up: it was finished before", window)
    near = None if backend.far else folder.absolute()
    jobs = [_Job(each, own, near, each == windows[-1]) for each in windows if each not in found]
    with progress("training", total=len(jobs), unit="windows") as advance:
        for job, ended in backend.run(Task(_train, tuple(bars)), jobs):
            found[job.window] = _taken(job, ended, folder)
            log.info("%s is trained, in %.1f s", job.window, ended.seconds)
            advance()
    return [found[window] for window in windows]


def _own_settings(settings: Settings) -> Settings:
    """Return the settings of each training: one thread, and no test part."""
    training = settings.training.without_test().model_copy(update={"jobs": 1})
    return _placed(settings.model_copy(update={"training": training}))


def _placed(settings: Settings) -> Settings:
    """Return the settings with `auto` decided here: on each worker it would be another device."""
    asked = settings.training.device
    device = device_here("auto") if asked == "auto" else asked
    training = settings.training.model_copy(update={"device": device})
    return settings.model_copy(update={"training": training})


def _bundle(window: Window, folder: Path) -> Path:
    return folder.absolute() / window.name / "bundle"


def _record_file(window: Window, folder: Path) -> Path:
    return _bundle(window, folder).with_name("window.json")


def _finished(window: Window, folder: Path, settings: Settings) -> WindowBundle | None:
    """Return the window if its training has ended and all of it is sound."""
    path, file = _bundle(window, folder), _record_file(window, folder)
    if not file.exists():
        return None
    try:
        record = Record.model_validate_json(file.read_bytes())
        bundle = load_bundle(path, settings.members)
    except (OSError, ValidationError, BundleError) as error:
        log.warning("%s is trained again, for what was kept is damaged: %s", window, error)
        return None
    if bundle.digest != record.bundle:
        log.warning("%s is trained again: its bundle is not the recorded one", window)
        return None
    return WindowBundle(window, path, bundle, record)


def _taken(job: _Job, ended: _Ended, folder: Path) -> WindowBundle:
    """Return the window that has just been trained, kept here if it came from elsewhere."""
    if ended.files:
        _keep(job.window, ended, folder)
    taken = _finished(job.window, folder, job.settings)
    if taken is None:
        raise RunError(f"{job}: its bundle must stay where it is kept, below {folder}, and is gone")
    return taken


def _keep(window: Window, ended: _Ended, folder: Path) -> None:
    """Write what a worker of another machine has sent, the record last."""
    file = _record_file(window, folder)
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent, prefix=".sent-") as sent:
        for name, data in ended.files.items():
            place = Path(sent, name)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        copy_bundle(Path(sent), _bundle(window, folder))
    atomic_text(file, ended.record.model_dump_json(indent=1))


def _train(bars: Sequence[Bars], job: _Job) -> _Ended:
    """Train one window, in a worker or in the process of the command."""
    started = time.perf_counter()
    if job.folder is not None:
        kept = _finished(job.window, job.folder, job.settings)
        if kept is None:  # not by a worker that ended it and was gone before it could say so
            record = _learned(bars, job, _bundle(job.window, job.folder))
            atomic_text(_record_file(job.window, job.folder), record.model_dump_json(indent=1))
        else:
            record = kept.record
        return _Ended(time.perf_counter() - started, record, {})
    with TemporaryDirectory(prefix="tandem-") as own:
        path = Path(own, "bundle")
        record = _learned(bars, job, path)
        files = {
            file.relative_to(path).as_posix(): file.read_bytes()
            for file in path.rglob("*")
            if file.is_file()
        }
    return _Ended(time.perf_counter() - started, record, files)


def _learned(bars: Sequence[Bars], job: _Job, path: Path) -> Record:
    """Train one window into a bundle at `path`; return its record."""
    strategy = job.settings.strategy.model_copy(update={"ml_model_path": path})
    settings = job.settings.model_copy(update={"strategy": strategy})
    try:
        seen = known_bars(_cut(bars, job.window, settings), job.window.train_end)
        learned = learn_bundle(seen, settings, keep_bars=job.keep_bars)
        return _record(job.window, learned, load_bundle(path, settings.members).digest)
    except (FeedError, MLError) as error:
        raise RunError(f"{job}: {error}") from error


def _cut(bars: Sequence[Bars], window: Window, settings: Settings) -> list[Bars]:
    """Return the bars of one training; those before its train part only warm up."""
    warmup = settings.strategy.warmup_bars
    known = [each.known_at(window.train_end) for each in bars]
    return [each[max(0, each.index_from(window.train_start) - warmup) :] for each in known]


def _record(window: Window, learned: Learned, digest: str) -> Record:
    parts, ensemble = learned.trained.parts, learned.trained.ensemble
    train = learned.rows.take(parts.train).samples.latest().astype(np.float64)
    answers = ensemble.predict(learned.rows.take(parts.calibrate).samples).probability
    return Record(
        window=str(window),
        bundle=digest,
        features={
            name: Reference.of(column) for name, column in zip(FEATURE_NAMES, train.T, strict=True)
        },
        probability=Reference.of(answers[np.isfinite(answers)]),
    )
