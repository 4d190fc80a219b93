"""The bundles of a walk-forward: trained window by window, each kept as its training ends.

    <out>/walk_forward/<digest>/window-03/bundle/      the bundle
                                          window.json  its record, written last

The digest is of all that shapes the bundles: bars, code, libraries, settings, windows. So the same
walk-forward finds what it has finished, and another one never takes it for its own. Windows are
trained side by side in processes of one thread each, whose number changes no result.
"""

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from pydantic import BaseModel, ConfigDict, ValidationError
from threadpoolctl import threadpool_limits

from engine.errors import RunError
from engine.jobs.display import error_console
from engine.jobs.log import logged
from engine.jobs.settings import Settings
from engine.jobs.train import Learned, known_bars, learn_bundle
from engine.jobs.walking.windows import Window, WindowSpec
from feeds.atomic import atomic_text
from feeds.bars import Bars
from feeds.errors import FeedError
from feeds.progress import progress
from ml.bundle import Bundle, load_bundle
from ml.drift import Reference
from ml.errors import BundleError, MLError
from ml.features.catalog import FEATURE_NAMES
from ml.manifest import library_versions

log = logging.getLogger("tandem.ml")

_ROOT = Path(__file__).resolve().parents[3]
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


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """One training: the bars from the warm-up before its train part on, and where it is kept."""

    window: Window
    bars: Sequence[Bars]
    settings: Settings
    keep_bars: bool

    @property
    def bundle(self) -> Path:
        return self.settings.strategy.ml_model_path

    @property
    def record(self) -> Path:
        return self.bundle.with_name("window.json")


def windows_digest(
    bars: Sequence[Bars], settings: Settings, spec: WindowSpec, windows: Sequence[Window]
) -> str:
    """Return the SHA-256 of all that shapes the bundles of a walk-forward."""
    facts = {
        "bars": {each.symbol: each.digest() for each in bars},
        "code": _code_digest(),
        "libraries": library_versions(),
        "settings": settings.model_dump(mode="json", exclude=_unheeded(settings)),
        "windows": [str(spec), *map(str, windows)],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _unheeded(settings: Settings) -> dict[str, Any]:
    if settings.training.fit_thresholds:
        return _USE
    return {**_USE, "strategy": _USE["strategy"] | _SCORING}


def train_windows(
    bars: Sequence[Bars], settings: Settings, windows: Sequence[Window], folder: Path
) -> list[WindowBundle]:
    """Return the bundle of each window; what `folder` holds of them is taken up.

    Only the last one keeps its bars, to be extended when it is traded with.

    Raises
    ------
    RunError
        if a window cannot be trained; the message names it
    """
    jobs = [_job(bars, settings, window, folder, last=window == windows[-1]) for window in windows]
    waiting = [job for job in jobs if _finished(job) is None]
    for job in jobs:
        if job not in waiting:
            log.info("%s is taken up: it was finished before", job.window)
    _train_all(waiting, settings.training.jobs)
    finished = [_finished(job) for job in jobs]
    return [each for each in finished if each is not None]


def _job(
    bars: Sequence[Bars], settings: Settings, window: Window, folder: Path, *, last: bool
) -> _Job:
    """Return the training of one window; bars before its train part only warm up."""
    warmup = settings.strategy.warmup_bars
    known = [each.known_at(window.train_end) for each in bars]
    cut = [each[max(0, each.index_from(window.train_start) - warmup) :] for each in known]
    path = folder.absolute() / window.name / "bundle"
    strategy = settings.strategy.model_copy(update={"ml_model_path": path})
    training = settings.training.without_test().model_copy(update={"jobs": 1})
    changed = settings.model_copy(update={"strategy": strategy, "training": training})
    return _Job(window, cut, changed, keep_bars=last)


def _finished(job: _Job) -> WindowBundle | None:
    """Return the window if its training has ended and all of it is sound."""
    if not job.record.exists():
        return None
    try:
        record = Record.model_validate_json(job.record.read_bytes())
        bundle = load_bundle(job.bundle, job.settings.members)
    except (OSError, ValidationError, BundleError) as error:
        log.warning("%s is trained again, for what was kept is damaged: %s", job.window, error)
        return None
    if bundle.digest != record.bundle:
        log.warning("%s is trained again: its bundle is not the recorded one", job.window)
        return None
    return WindowBundle(job.window, job.bundle, bundle, record)


def _train_all(jobs: Sequence[_Job], processes: int) -> None:
    count = min(processes, len(jobs))
    with (
        progress("training", total=len(jobs), unit="windows") as advance,
        parallel_config(backend="loky", inner_max_num_threads=1) if count > 1 else nullcontext(),
    ):
        train = delayed(_train)
        done = Parallel(n_jobs=max(count, 1), return_as="generator_unordered")(
            train(job, os.getpid()) for job in jobs
        )
        for window, seconds in done:
            log.info("%s is trained, in %.1f s", window, seconds)
            advance()


def _train(job: _Job, parent: int) -> tuple[Window, float]:
    """Train one window and keep it; in a process of its own, or in that of the command."""
    started = time.perf_counter()
    with nullcontext() if parent == os.getpid() else _in_own_process(parent), threadpool_limits(1):
        try:
            seen = known_bars(job.bars, job.window.train_end)
            learned = learn_bundle(seen, job.settings, keep_bars=job.keep_bars)
            kept = load_bundle(job.bundle, job.settings.members)
            record = _record(job.window, learned, kept.digest)
        except (FeedError, MLError) as error:
            raise RunError(f"{job.window}: {error}") from error
        atomic_text(job.record, record.model_dump_json(indent=1))
    return job.window, time.perf_counter() - started


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


@contextmanager
def _in_own_process(parent: int) -> Iterator[None]:
    """Log for the time of the block; from now on this process ends when its parent is gone."""
    _end_with(parent)
    with logged(error_console(), verbose=False):
        yield


@cache
def _end_with(parent: int) -> None:
    """Let this process end soon after its parent does, however that ended.

    An orphan would hold its window and learn on for nobody.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _code_digest() -> str:
    sha = hashlib.sha256()
    for name in _CODE:
        place = _ROOT / name
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            sha.update(file.relative_to(_ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()
