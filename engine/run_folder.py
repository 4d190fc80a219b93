"""Results as JSON and as a folder.

A run's folder `runs/<id>/` holds

    config.json      the configuration of each run
    manifest.json    how it was made: what was asked, digests, versions, seeds; the digest of every
                     file; the hash of the results
    metrics.json     the JSON that the command prints
    report.html      all of it as one page for people
    best.toml        of a search, the settings that it found
    run.log          what was logged, with the time of each line
    off/, on/        trades.csv, fills.csv, rejections.csv, equity.parquet, decisions.parquet

and appears whole or not at all. Every table in it carries the stamps in a column, so that a file
taken out of the folder still says SYNTHETIC or IN-SAMPLE.
"""

import hashlib
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from engine.errors import RunError
from engine.plain import moment, plain
from engine.records import Fill, Rejection, Trade
from engine.result import RunResult
from engine.result_hash import hashes_of, joint_hash
from feeds.atomic import atomic_path, atomic_text
from feeds.clock import Clock, SystemClock

log = logging.getLogger("tandem.run")

PAGE = "report.html"
BEST = "best.toml"
PageOf: TypeAlias = Callable[[Path, datetime, Mapping[str, Any]], str]
"""(folder of the run, when it was made, what metrics.json says) -> HTML."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """How results came about.

    Attributes
    ----------
    request : what was asked, with all that is needed to ask it again
    log : what was logged until then
    page : makes the page for people; None for none
    search : what a search says that chose the settings; None for none
    best : the settings that it found, as TOML; empty for none
    """

    request: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""
    page: PageOf | None = None
    search: Mapping[str, Any] | None = None
    best: str = ""


def to_json(
    results: Sequence[RunResult],
    comparison: Mapping[str, Any] | None,
    data: Mapping[str, Any],
    run_dir: Path | None,
    search: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what the command prints, made of JSON's own types; undefined figures are None.

    Parameters
    ----------
    results : one or more runs
    comparison : of two runs, else None
    data : what the runs saw
    run_dir : where they were saved, if they were
    search : what a search says that chose the settings, if one did
    """
    hashes = hashes_of(results)
    document = {
        "runs": [_run_json(result, hashes[result.label]) for result in results],
        "comparison": comparison or {},
        "data": data,
        "result_hash": joint_hash(hashes),
        "run_dir": run_dir,
        **({} if search is None else {"search": search}),
    }
    printed: dict[str, Any] = plain(document)
    return printed


def save_run(
    results: Sequence[RunResult],
    comparison: Mapping[str, Any] | None,
    data: Mapping[str, Any],
    out: Path,
    *,
    making: Making = Making(),
    clock: Clock | None = None,
) -> Path:
    """Write the runs, and how they were made, into a new folder below `out`; return it.

    Raises
    ------
    RunError : two results bear the same label, or the folder cannot be written
    """
    labels = [result.label for result in results]
    if len(set(labels)) < len(labels):
        raise RunError(f"runs saved together must have different labels, found {labels}")
    created = (clock or SystemClock()).now()
    name = f"{created:%Y%m%dT%H%M%SZ}-{_digest_of(results)}"
    try:
        with _new_folder(out, name) as (draft, final):
            for result in results:
                _write_tables(result, draft / result.label)
            atomic_text(draft / "run.log", making.log)
            _write_json(draft / "config.json", {r.label: r.config for r in results})
            if making.best:
                atomic_text(draft / BEST, making.best)
            document = to_json(results, comparison, data, final, making.search)
            _write_json(draft / "metrics.json", document)
            _write_page(draft, making.page, final, created, document)
            manifest = {
                "created_at": f"{created:%Y-%m-%dT%H:%M:%SZ}",
                "request": making.request,
                **_manifest(results, data),
                "files": _file_digests(draft),
            }
            _write_json(draft / "manifest.json", manifest)
    except OSError as error:
        raise RunError(f"the run must be written below {out}, which failed: {error}") from error
    return final


def _write_page(
    draft: Path, page: PageOf | None, final: Path, created: datetime, document: Mapping[str, Any]
) -> None:
    if page is None:
        return
    try:
        text = page(final, created, document)
    except Exception as error:  # nobody loses a run of hours for its picture
        log.warning("%s could not be made, all else of the run is kept: %r", PAGE, error)
        log.debug("where it failed", exc_info=True)
        return
    atomic_text(draft / PAGE, text)


def _run_json(result: RunResult, digest: str) -> dict[str, Any]:
    return {
        "ml": result.label,
        "trades": len(result.trades),
        "rejections": dict(Counter(rejection.reason for rejection in result.rejections)),
        "vetoes": result.vetoes,
        "ml_asked": result.ml_asked,
        "ml_unavailable": result.ml_unavailable,
        "in_sample": result.in_sample,
        "synthetic": result.synthetic,
        "clock": asdict(result.clock),
        "metrics": result.metrics.to_dict(),
        "intervals": None if result.intervals is None else asdict(result.intervals),
        **result.sweep.to_json(),
        "flattery": result.flattery,
        "result_hash": digest,
    }


def _manifest(results: Sequence[RunResult], data: Mapping[str, Any]) -> dict[str, Any]:
    hashes = hashes_of(results)
    return {
        "stamps": sorted({stamp for result in results for stamp in result.stamps}),
        "data": data,
        "runs": {
            r.label: {
                "digests": r.digests,
                "versions": r.versions,
                "seed": r.seed,
                "result_hash": hashes[r.label],
            }
            for r in results
        },
        "result_hash": joint_hash(hashes),
    }


def _digest_of(results: Sequence[RunResult]) -> str:
    """Return a short digest of all that decides the results."""
    parts = [[r.label, plain(r.config), plain(r.digests), r.seed] for r in results]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


@contextmanager
def _new_folder(out: Path, name: str) -> Iterator[tuple[Path, Path]]:
    """Yield a hidden folder to fill and the name that it gets when the block succeeds."""
    out.mkdir(parents=True, exist_ok=True)
    draft, final = _claim(out, name)
    try:
        yield draft, final
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _claim(out: Path, name: str) -> tuple[Path, Path]:
    """Take the first free name; making the hidden folder is what no two runs can both do."""
    for attempt in count(1):
        final = out / (name if attempt == 1 else f"{name}-{attempt}")
        draft = out / f".{final.name}.part"
        try:
            draft.mkdir()
        except FileExistsError:
            continue
        if not final.exists():
            return draft, final
        draft.rmdir()
    raise AssertionError("count() does not end")  # pragma: no cover


def _write_tables(result: RunResult, folder: Path) -> None:
    stamp = " ".join(result.stamps)
    _write_csv(_trades_frame(result.trades), folder / "trades.csv", stamp)
    _write_csv(_records_frame(Fill, result.fills), folder / "fills.csv", stamp)
    _write_csv(_records_frame(Rejection, result.rejections), folder / "rejections.csv", stamp)
    curve = result.equity
    values = pd.DataFrame(
        {
            "time": pd.DatetimeIndex(curve.time, tz="UTC"),
            "equity": curve.equity,
            "cash": curve.cash,
            "position_value": curve.position_value,
        }
    )
    _write_parquet(values, folder / "equity.parquet", stamp)
    decisions = result.decisions
    if not decisions.empty:
        decisions = decisions.assign(decided_at=decisions["decided_at"].dt.tz_localize("UTC"))
    _write_parquet(decisions, folder / "decisions.parquet", stamp)


def _trades_frame(trades: Sequence[Trade]) -> pd.DataFrame:
    return _records_frame(Trade, trades).assign(**{"return": [t.return_fraction for t in trades]})


def _records_frame(kind: type[Any], records: Sequence[Any]) -> pd.DataFrame:
    """Return the records as text and numbers, one column per field, moments in ISO with Z."""
    columns = {each.name: [getattr(r, each.name) for r in records] for each in fields(kind)}
    return pd.DataFrame({name: _column(values) for name, values in columns.items()})


def _column(values: list[Any]) -> list[Any]:
    return [moment(v) if isinstance(v, np.datetime64) else v for v in values]


def _write_csv(frame: pd.DataFrame, path: Path, stamp: str) -> None:
    atomic_text(path, frame.assign(stamp=stamp).to_csv(index=False, lineterminator="\n"))


def _write_parquet(frame: pd.DataFrame, path: Path, stamp: str) -> None:
    with atomic_path(path) as draft:
        frame.assign(stamp=stamp).to_parquet(draft, index=False, compression="zstd")


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    atomic_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def _file_digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
