"""A kept run made again from its folder, and what differs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from engine.errors import RunError
from engine.jobs import request_record
from engine.jobs.backtest import backtest
from engine.jobs.members import named_again
from engine.jobs.plain_backtest import plain_backtest
from engine.jobs.request_record import ModelRecord, RequestRecord, StrategyRecord
from engine.jobs.run_request import PlainRequest, RunRequest
from engine.jobs.settings import PlainSettings, Settings, hybrid
from engine.jobs.showing.bars import markets_again, settings_again
from engine.jobs.showing.folder import TABLES, RunFolder, open_run
from engine.jobs.showing.tables import Change, TableDifference, differing, table_difference
from engine.plain import plain
from engine.tables import stamp_line
from feeds.atomic import atomic_text
from feeds.messages import shown
from ml.bundle_files import sha256
from ml.models.member_config import NOBODY, MemberConfig
from strategies.own_file import digest_of

_Make: TypeAlias = Callable[[Settings | PlainSettings, Mapping[str, Any]], Path]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rerun:
    """How a run and its repetition compare.

    Attributes
    ----------
    hashes : by run, the result hash of the folder and that of the repetition
    tables : how tables differ that do, the first row of each
    metrics : by run and name, those that differ, then and now
    versions : of libraries that differ, then and now
    """

    run: RunFolder
    hashes: Mapping[str, tuple[str, str | None]]
    tables: Sequence[TableDifference]
    metrics: Mapping[str, Change]
    versions: Mapping[str, Change]

    @property
    def passed(self) -> bool:
        """True if every run of the folder came out the same, to the last bit."""
        return all(then == now for then, now in self.hashes.values())

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        found: dict[str, Any] = plain(
            {
                "run_dir": self.run.path,
                "stamps": self.run.manifest.stamps,
                "identical": self.passed,
                "result_hash": self.hashes,
                "tables": [each.to_json() for each in self.tables],
                "metrics": self.metrics,
                "versions": self.versions,
            }
        )
        return found

    def text(self) -> str:
        """Return what a person reads."""
        stamps = [stamp_line(stamp).rstrip() for stamp in self.run.manifest.stamps]
        if self.passed:
            result = f"result hash {self.run.manifest.result_hash}, as it was"
            return "\n".join([*stamps, f"{self.run.path}: made again, the same", result])
        changed = [f"{name}: {a} -> {b}" for name, (a, b) in self.metrics.items()]
        other = [f"{name} was {a}, is {b}" for name, (a, b) in self.versions.items()]
        said = [
            f"{label}: result hash {then[:16]} -> {'none' if now is None else now[:16]}"
            for label, (then, now) in self.hashes.items()
            if then != now
        ]
        where = [*(each.line() for each in self.tables), *changed]
        nowhere = "no table and no metric differs: counts do, or this version hashes otherwise"
        lines = [*said, *(where or [nowhere]), *other]
        return "\n".join([*stamps, f"{self.run.path}: made again, and NOT the same", *lines])


def rerun(run: RunFolder, members: Mapping[str, MemberConfig] = NOBODY) -> Rerun:
    """Make the run again in a temporary folder and return how the two compare.

    Parameters
    ----------
    members : of the settings of today, which name the code of the user's own that may be run

    Raises
    ------
    RunError
        if bars or bundle are gone or were changed, or this version makes no such run
    MemberError
        if a member is of code that `members` does not name
    """
    request = run.manifest.request
    command = _command(request)
    if request.strategy is not None:
        _refuse_changed(request.strategy)
    named = named_again(run.any_settings(run.labels[0]).members, members)
    markets_again(run)
    with TemporaryDirectory(prefix="tandem-rerun-") as folder:
        place = Path(folder)
        settings = settings_again(run).model_copy(update={"members": named})
        if request.model is not None:
            settings = _with_bundle(settings, _in_force(request.model, place / "bundle"))
        asked = {
            "bars": request.asked_bars(),
            "ml": request.ml,
            "in_sample": request.in_sample,
            "out": place / "runs",
        }
        made = command(settings, asked)
        return _compared(run, open_run(str(made), place))


def _refuse_changed(strategy: StrategyRecord) -> None:
    """Raise `RunError` if the strategy's file is not what it was."""
    found = digest_of(strategy.path)
    if found != strategy.digest:
        raise RunError(
            f"{strategy.path}: must have the digest {strategy.digest[:16]} of the run, found "
            f"{found[:16]}: the strategy was changed since; put the old file back, or make a new "
            "run"
        )


def _command(request: RequestRecord) -> _Make:
    """Return what makes such a run and says where it is kept."""
    match request.command:
        case "backtest":
            return lambda settings, asked: backtest(_hybrid(settings, asked)).run_dir
        case request_record.PLAIN:
            return _plain
        case "paper":
            raise RunError(
                "a session on paper is proved by its record: run_paper.py --parity STATE"
            )
        case "walk-forward":
            windows = str(request.options.get("windows"))
            return lambda settings, asked: _walked(_hybrid(settings, asked), windows)
        case request_record.SEARCH:
            raise RunError(
                "a search in windows is made again by its command, run_backtest.py --search: the "
                "space is not kept in the folder of the run"
            )
        case other:
            raise RunError(f"this version of Tandem makes no run of the kind {shown(other)}")


def _hybrid(settings: Settings | PlainSettings, asked: Mapping[str, Any]) -> RunRequest:
    return RunRequest(settings=hybrid(settings), **asked)


def _plain(settings: Settings | PlainSettings, asked: Mapping[str, Any]) -> Path:
    if not isinstance(settings, PlainSettings):
        raise RunError("the request of the run is damaged: its strategy is not a plain one")
    return plain_backtest(PlainRequest(settings=settings, **asked)).run_dir


def _walked(asked: RunRequest, windows: str) -> Path:
    from engine.jobs.walk_forward import walk_forward  # it loads all of learning
    from engine.jobs.walking.windows import WindowSpec

    try:
        spec = WindowSpec.parse(windows)
    except ValueError as error:
        raise RunError(f"the request of the run is damaged: {error}") from error
    return walk_forward(asked, spec).run.run_dir


def _in_force(model: ModelRecord, place: Path) -> Path:
    """Return a bundle in which the version of the run is in force, whichever is in its own."""
    version = (model.path / model.version).resolve()
    manifest = version / "manifest.json"
    if not manifest.is_file():
        raise RunError(
            f"{version}: the run asked this version of the bundle, and it is no longer there"
        )
    found = sha256(manifest.read_bytes())
    if found != model.digest:
        raise RunError(
            f"{manifest}: must have the digest {model.digest[:16]} of the run, found {found[:16]}: "
            "the bundle was changed since"
        )
    place.mkdir(parents=True)
    (place / version.name).symlink_to(version, target_is_directory=True)
    atomic_text(place / "current", version.name)
    return place


def _with_bundle(settings: Settings | PlainSettings, path: Path) -> Settings | PlainSettings:
    strategy = settings.strategy.model_copy(update={"ml_model_path": path})
    return settings.model_copy(update={"strategy": strategy})


def _compared(old: RunFolder, new: RunFolder) -> Rerun:
    made, again = old.manifest.runs, new.manifest.runs
    hashes: dict[str, tuple[str, str | None]] = {
        label: (facts.result_hash, again[label].result_hash if label in again else None)
        for label, facts in made.items()
    }
    changed = [label for label, (then, now) in hashes.items() if then != now and now is not None]
    found = (table_difference(label, name, old, new) for label in changed for name in TABLES)
    return Rerun(
        run=old,
        hashes=hashes,
        tables=[each for each in found if each is not None],
        metrics={k: v for label in changed for k, v in _metrics(label, old, new).items()},
        versions=_versions(old, new),
    )


def _metrics(label: str, old: RunFolder, new: RunFolder) -> dict[str, Change]:
    changes = differing(*(run.figures(label)["metrics"] for run in (old, new)))
    return {f"{label}/{name}": change for name, change in changes.items()}


def _versions(old: RunFolder, new: RunFolder) -> dict[str, Change]:
    return differing(*(next(iter(run.manifest.runs.values())).versions for run in (old, new)))
