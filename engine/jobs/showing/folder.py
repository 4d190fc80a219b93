"""A run folder that is read again: found, checked against its digests, its tables."""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from engine.errors import RunError
from engine.jobs.request_record import (
    PLAIN,
    MomentText,
    RequestRecord,
    StrategyRecord,
    SymbolText,
    TimeframeText,
    strategy_record,
)
from engine.jobs.settings import PlainSettings, Settings
from feeds.messages import first_line, printable, shown
from strategies.errors import StrategyError

LAST = "last"
TABLES = ("trades.csv", "fills.csv", "rejections.csv", "equity.parquet", "decisions.parquet")

_MANIFEST = "manifest.json"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}(-\d+)?")  # a run's folder

_UNREADABLE = (OSError, ValueError, TypeError, KeyError, RecursionError, pa.ArrowException)


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class MadeOf(_Facts):
    """What one run was made of."""

    digests: dict[str, str]
    versions: dict[str, str]
    seed: int
    result_hash: str


class SymbolFacts(_Facts):
    """The bars of one symbol, as far as they are named here."""

    start: MomentText
    end: MomentText
    bars: int
    digest: str


class DataFacts(_Facts):
    """What was traded."""

    synthetic: bool
    timeframe: TimeframeText
    symbols: dict[SymbolText, SymbolFacts] = Field(min_length=1)


class RunManifest(_Facts):
    """What a run folder says about itself."""

    created_at: MomentText
    request: RequestRecord
    stamps: tuple[Literal["SYNTHETIC", "IN-SAMPLE"], ...]
    data: DataFacts
    runs: dict[Literal["off", "on"], MadeOf] = Field(min_length=1)
    result_hash: str
    files: dict[str, str]


@dataclass(frozen=True, eq=False)
class RunFolder:
    """A run folder whose files have the digests of its manifest."""

    path: Path
    manifest: RunManifest

    @property
    def labels(self) -> tuple[str, ...]:
        """The runs in it: `off`, `on`, or both."""
        return tuple(self.manifest.runs)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """What the command printed."""
        return self._json("metrics.json")

    def figures(self, label: str) -> dict[str, Any]:
        """Return what the command printed of one run."""
        found = [run for run in self.metrics.get("runs", []) if run.get("ml") == label]
        if not found:
            raise RunError(f"{self.path / 'metrics.json'}: must hold the run {label}")
        return dict(found[0])

    def config(self, label: str) -> dict[str, Any]:
        """Return the settings of one run, as they were kept."""
        return dict(self._json("config.json").get(label, {}))

    def settings(self, label: str) -> Settings:
        """Return the settings of one run.

        Raises
        ------
        RunError
            if this version does not know them, or they are a plain strategy's
        """
        found = self.any_settings(label)
        if isinstance(found, PlainSettings):
            raise RunError(
                f"{self.path}: the run is one of a plain strategy, {found.strategy.file}, which "
                "has no rules and keeps no journal; its trades are in trades.csv"
            )
        return found

    def any_settings(self, label: str) -> Settings | PlainSettings:
        """Return the settings of one run of a hybrid or a plain strategy."""
        kind = PlainSettings if self.manifest.request.command == PLAIN else Settings
        try:
            return kind.model_validate(self.config(label))
        except ValidationError as error:
            first = error.errors()[0]
            key = printable(".".join(map(str, first["loc"])))
            raise RunError(
                f"{self.path / 'config.json'}: this version of Tandem does not know {key} = "
                f"{shown(first['input'])} ({printable(first['msg'])})"
            ) from error

    def table(self, label: str, name: str) -> pd.DataFrame:
        """Return one of `TABLES`; moments as text in CSV, in UTC in Parquet."""
        path = self.path / label / name
        try:
            if path.suffix == ".csv":
                return pd.read_csv(path, keep_default_na=False, na_values=[""])
            return pd.read_parquet(path)
        except _UNREADABLE as error:
            raise _damaged(path, first_line(error)) from error

    def _json(self, name: str) -> dict[str, Any]:
        return _read_json(self.path / name)


def open_run(name: str, out: Path) -> RunFolder:
    """Return the run of a folder, or for `last` the latest below `out`.

    Raises
    ------
    RunError
        if there is no run, a file of it is missing or changed, or its settings name another
        strategy than its manifest
    """
    path = _latest(out) if name == LAST else Path(name)
    if not path.is_dir():
        raise RunError(f"{path}: a run is a folder such as runs/20240131T180000Z-41103555, or last")
    if not (path / _MANIFEST).is_file():
        raise RunError(f"{path}: must be the folder of a run, found no {_MANIFEST} in it")
    manifest = manifest_of(path)
    _check_files(path, manifest)
    found = RunFolder(path, manifest)
    _check_strategy(found)
    return found


def run_folders(out: Path) -> list[Path]:
    """Return the folders below `out` that hold a run or bear a run's name, newest first."""
    found = [path for path in out.glob("[!.]*") if _is_run(path)]
    # The name begins with the moment of writing; within one second the folders tell.
    return sorted(found, key=lambda path: (path.name[:16], path.stat().st_mtime_ns), reverse=True)


def _is_run(path: Path) -> bool:
    return (path / _MANIFEST).is_file() or (path.is_dir() and bool(_RUN.fullmatch(path.name)))


def _latest(out: Path) -> Path:
    found = [path for path in run_folders(out) if (path / _MANIFEST).is_file()]
    if not found:
        raise RunError(f"{out}: must hold runs, found none; name another folder with --out")
    return found[0]


def manifest_of(folder: Path) -> RunManifest:
    """Return what a run folder says about itself; its files are not looked at.

    Raises
    ------
    RunError
        if it says nothing that can be read
    """
    path = folder / _MANIFEST
    found = _read_json(path)
    if "request" not in found:
        raise RunError(
            f"{path}: the run was kept by a version of Tandem that did not say what was asked; "
            "make it again to have it shown"
        )
    try:
        return RunManifest.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = printable(".".join(map(str, first["loc"])))
        raise _damaged(path, f"{where}: {printable(first['msg'])}") from error


def _check_files(path: Path, manifest: RunManifest) -> None:
    """Raise `RunError` for the first file that is missing or is not what was written."""
    needed = ["config.json", "metrics.json"]
    needed += [f"{label}/{name}" for label in manifest.runs for name in TABLES]
    for name in dict.fromkeys([*needed, *manifest.files]):
        file = path / name
        if ".." in Path(name).parts or Path(name).is_absolute() or name not in manifest.files:
            raise _damaged(path / _MANIFEST, f"its files are not those of a run: {name}")
        check_file(file, manifest.files[name])


def _check_strategy(run: RunFolder) -> None:
    """Raise `RunError` unless the settings name the strategy that the manifest vouches for."""
    for label in run.labels:
        kept = run.config(label).get("strategy")
        section = kept if isinstance(kept, dict) else {}
        try:
            named = strategy_record(section.get("file"), section.get("digest"))
        except (StrategyError, AttributeError, TypeError, ValueError) as error:
            raise _damaged(run.path / "config.json", first_line(error)) from error
        if named != run.manifest.request.strategy:
            raise _damaged(
                run.path / "config.json",
                f"{label} must name the strategy of {_MANIFEST}, by file and digest: "
                f"{_strategy_words(run.manifest.request.strategy)}, found {_strategy_words(named)}",
            )


def _strategy_words(found: StrategyRecord | None) -> str:
    return "the built-in one" if found is None else shown(f"{found.path}:{found.name}")


def check_file(file: Path, digest: str | None) -> None:
    """Raise `RunError` unless the file is there and has the digest."""
    if not file.is_file():
        raise _damaged(file, "it is missing")
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != digest:
            raise _damaged(file, "it is not what the run wrote")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except _UNREADABLE as error:
        raise _damaged(path, first_line(error)) from error
    if not isinstance(found, dict):
        raise _damaged(path, "it holds no keys")
    return found


def _damaged(path: Path, why: str) -> RunError:
    return RunError(f"{path}: the run is damaged: {why}; make it again")
