"""How a run can be made again: the commands, and the settings that are not the defaults."""

import shlex
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from engine.jobs.default_market import DAYS, SYMBOLS, TIMEFRAME
from engine.jobs.request_record import (
    PLAIN,
    DefaultRecord,
    ExchangeRecord,
    FilesRecord,
    LiveRecord,
    OtherRecord,
    RequestRecord,
)
from engine.jobs.settings import Settings, settings_of_class
from engine.jobs.settings_meaning import MEANINGS, SYMBOL
from engine.report_html.report import Command, Setting
from engine.run_folder import BEST

SETTINGS_FILE = "settings.toml"
# The embedded default sets these by itself, whatever is asked.
_OF_DEFAULT = (("strategy", "ml_model_path"), ("training", "preset"), ("training", "optimize"))
_SECRET = "**********"  # noqa: S105  what pydantic writes where one is


def settings_of(config: Mapping[str, Any]) -> list[Setting]:
    """Return every setting of a run, with its default and what it means."""
    defaults = dict(_flat(_defaults(config)))
    return [
        Setting(name, value, defaults.get(name), _meaning(name)) for name, value in _flat(config)
    ]


def settings_file(config: Mapping[str, Any], request: RequestRecord) -> str:
    """Return as TOML what a command needs to be told beside its flags; secrets left out."""
    other = _other(config, _defaults(config))
    if isinstance(request.bars, DefaultRecord):
        for section, key in _OF_DEFAULT:
            other.get(section, {}).pop(key, None)
    return tomli_w.dumps({name: value for name, value in other.items() if value != {}})


def _other(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is not as in the defaults; TOML has no word for nothing."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        default = defaults.get(key)
        if isinstance(value, Mapping):
            part = _other(value, default if isinstance(default, Mapping) else {})
            found |= {key: part} if part else {}
        elif value not in (default, None, _SECRET):
            found[key] = value
    return found


def commands(folder: Path, request: RequestRecord, settings: str) -> list[Command]:
    """Return what shows the run, makes it again, and asks anew for what was asked.

    Parameters
    ----------
    settings : that the last one needs as a file, if any
    """
    name = shlex.quote(str(folder))
    found = [Command("Look at it in short", f"show_run.py {name}")]
    if isinstance(request.bars, LiveRecord | OtherRecord):
        return found  # nobody can ask for these bars again
    again = ["show_run.py", str(folder), "--rerun"]
    # What a search found lies in the folder; of another run the page says it.
    file = str(folder / BEST) if request.best_of else SETTINGS_FILE
    if _names_code(settings):
        again += ["--config", file]
    found.append(Command("Make it again and compare every table", shlex.join(again)))
    if request.command in {"backtest", "walk-forward", PLAIN}:
        words = ["run_backtest.py", *_asked(request)]
        if settings:
            words += ["--config", file]
        found.append(Command("Ask for the same, into a folder of its own", shlex.join(words)))
    return found


def asked_with(settings: Path, request: RequestRecord) -> str:
    """Return the command that runs settings of a file on the bars of the request.

    Paths below the working folder are told from there.
    """
    words = ["run_backtest.py", "--config", str(settings), *_bars(request)]
    return shlex.join([*map(_from_here, words), "--ml", request.ml.value])


def _from_here(word: str) -> str:
    path = Path(word)
    below = path.is_absolute() and path.is_relative_to(Path.cwd())
    return str(path.relative_to(Path.cwd())) if below else word


def importance_commands(
    request: RequestRecord, settings: str, bundle: Path, seed: int
) -> list[str]:
    """Return what shuffles the features on the bars of the run, in its order.

    The market of the embedded default is made as files first, by the seed of the run. FILE stands
    for bars that nobody can name.

    Parameters
    ----------
    settings : that the last command needs as a file, if any
    bundle : that is asked
    """
    made: list[str] = []
    match request.bars:
        case DefaultRecord():
            files = [
                f"default_{symbol.replace('/', '-')}_{TIMEFRAME}.parquet" for symbol in SYMBOLS
            ]
            pairs = zip(SYMBOLS, files, strict=True)
            made = [_simulation(symbol, file, seed) for symbol, file in pairs]
            bars = ["--data", *files]
        case FilesRecord() | ExchangeRecord():
            bars = [*_bars(request)]
        case LiveRecord(symbols=symbols, timeframe=timeframe):
            bars = ["--symbols", ",".join(symbols), "--timeframe", timeframe]
            bars += [*_bars(request)]
        case _:
            bars = ["--data", "FILE", *_bars(request)]
    config = ["--config", SETTINGS_FILE] if settings else []
    words = ["evaluate_ml_ensemble.py", *bars, "--model", str(bundle), "--feature-importance"]
    return [*made, shlex.join([*words, *config])]


def _simulation(symbol: str, file: str, seed: int) -> str:
    """Return what makes a market of the embedded default as a file."""
    words = ["generate_training_data.py", "--synthetic", "--symbol", symbol]
    words += ["--timeframe", str(TIMEFRAME), "--days", str(DAYS), "--seed", str(seed)]
    return shlex.join([*words, "--output", file])


def _names_code(settings: str) -> bool:
    """Return whether members join the vote, which are run only where a command names them."""
    members = tomllib.loads(settings).get("members", {})
    return any("estimator" in member for member in members.values())


def _asked(request: RequestRecord) -> Iterator[str]:
    """Yield the flags that ask for what was asked."""
    yield from _bars(request)
    yield from ("--ml", request.ml.value)
    if request.in_sample:
        yield "--in-sample"
    if "windows" in request.options:
        yield from ("--walk-forward", str(request.options["windows"]))


def _bars(request: RequestRecord) -> Iterator[str]:
    """Yield the flags of bars, dates and strategy."""
    match request.bars:
        case FilesRecord(paths=paths, symbol=symbol, timeframe=timeframe):
            yield from ("--data", *map(str, paths))
            yield from _flag("--symbol", symbol)
            yield from _flag("--timeframe", timeframe)
        case ExchangeRecord(symbols=symbols, timeframe=timeframe, store=store):
            yield from ("--symbols", ",".join(symbols), "--timeframe", timeframe)
            yield from ("--store", str(store))
        case _:
            pass
    yield from _flag("--start-date", request.start)
    yield from _flag("--end-date", request.end)
    if request.strategy is not None:
        yield from ("--strategy", f"{request.strategy.path}:{request.strategy.name}")


def _flag(name: str, value: str | None) -> tuple[str, ...]:
    return () if value is None else (name, value)


def _defaults(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the defaults; those of a strategy of one's own are in its file."""
    strategy = config.get("strategy") or {}
    if strategy.get("file") is None:
        return Settings().model_dump(mode="json")
    return settings_of_class(strategy["file"], strategy["digest"]).model_dump(mode="json")


def _flat(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key with its path."""
    for key, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _meaning(name: str) -> str:
    parts = name.split(".")
    if parts[0] == "symbols" and len(parts) > 1:
        parts[1] = SYMBOL
    found = MEANINGS.get(".".join(parts))
    return "" if found is None else f"{found.text}; {found.unit}".removesuffix("; ")
