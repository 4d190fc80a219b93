"""What the commands share: flags and how they are read, the answer, errors as one line."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from engine.config import to_toml
from engine.errors import EngineError, UsageError
from engine.jobs.display import error_console, show_progress
from engine.jobs.flag_parser import NOTHING, FlagParser
from engine.jobs.log import logged
from engine.jobs.opening import show_page
from engine.jobs.settings import PlainSettings, Settings, hybrid, load_any_settings
from engine.jobs.walking.windows import WindowSpec
from feeds.errors import BlockedError, FeedError, UnreachableError
from feeds.messages import one_line, shown
from feeds.moments import parse_utc
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe
from ml.errors import BusyError, MLError
from strategies.errors import StrategyError

T = TypeVar("T")

BUSY = 4  # exit code where another process does what was asked for
_MOST_DAYS = 10_950

NAMED_ERRORS = (FeedError, MLError, StrategyError, EngineError, OSError)


class Report(Protocol):
    """What a command answers with."""

    def to_json(self) -> dict[str, Any]: ...

    def text(self) -> str: ...


@runtime_checkable
class Judged(Protocol):
    """A report that has failed, for the exit code, unless `passed` is true."""

    @property
    def passed(self) -> bool: ...


@runtime_checkable
class Coded(Protocol):
    """A report that says with which code the command exits."""

    @property
    def exit_code(self) -> int: ...


@dataclass(frozen=True, slots=True)
class ShownSettings:
    """The answer to `--show-config`."""

    settings: Settings | PlainSettings

    def to_json(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")

    def text(self) -> str:
        return to_toml(self.settings).rstrip()


def command_parser(
    description: str, examples: str, meant: Mapping[str, str] = NOTHING
) -> argparse.ArgumentParser:
    """Return a parser without flags; `add_common_flags` ends it. `meant` as `FlagParser` has it."""
    return FlagParser(
        usage="%(prog)s [flags]",
        description=description,
        epilog=f"examples:\n{examples}",
        meant=meant,
    )


def add_common_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that every command has."""
    settings = parser.add_argument_group("settings")
    settings.add_argument("--config", type=Path, metavar="FILE.toml", help="flags override it")
    settings.add_argument("--show-config", action="store_true", help="print them and stop")
    settings.add_argument(
        "--seed", type=whole_number, metavar="N", help="where all chance comes from; default 0"
    )
    add_output_flags(parser)


def add_strategy_flag(group: Any, purpose: str = "default: the built-in one") -> None:
    """Add the flag that names a strategy of one's own."""
    group.add_argument(
        "--strategy",
        metavar="PATH.py:ClassName",
        help=f"a strategy of one's own; {purpose} (docs/own-strategies.md)",
    )


def add_device_flag(group: Any) -> None:
    """Add the flag that says where models learn."""
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        help="where XGBoost and the LSTM learn; default auto: a graphics card where there is one",
    )


def add_output_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags about what is said."""
    said = parser.add_argument_group("what is said")
    said.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    said.add_argument("-v", "--verbose", action="store_true", help="show the log")
    said.add_argument("--quiet", action="store_true", help="show no progress")


def date(text: str) -> np.datetime64:
    """Read an ISO date or time; without a zone it is UTC."""
    return _read(parse_utc, ValueError, text)


def symbol(text: str) -> str:
    """Read a symbol."""
    return _read(normalise_symbol, FeedError, text)


def timeframe(text: str) -> Timeframe:
    """Read a timeframe."""
    return _read(Timeframe.parse, FeedError, text)


def window_spec(text: str) -> WindowSpec:
    """Read the windows of a walk-forward."""
    return _read(WindowSpec.parse, ValueError, text)


def whole_number(text: str) -> int:
    """Read a whole number from 0 up."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 up, found {shown(text)}")
    return int(text)


def day_count(text: str) -> int:
    """Read a number of days; more than thirty years of them is a slip of the finger."""
    days = whole_number(text)
    if days > _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"must be {_MOST_DAYS} days or fewer, found {text}")
    return days


def given(args: argparse.Namespace, names: Iterable[str]) -> list[str]:
    """Return those of the flags that were given, as they are written."""
    return [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]


def refuse_flags(args: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Raise `UsageError` if one of the flags was given."""
    wrong = given(args, names)
    if wrong:
        raise UsageError(f"{wrong[0]} {why}")


def _read(parse: Callable[[str], T], error: type[Exception], text: str) -> T:
    try:
        return parse(text)
    except error as found:
        raise argparse.ArgumentTypeError(str(found)) from found


def answer(
    name: str,
    args: argparse.Namespace,
    overrides: Mapping[str, Any],
    make: Callable[[Settings], Report],
    plain: Callable[[PlainSettings], Report] | None = None,
) -> int:
    """Load the settings, make the report, print it and return the exit code, as `tell` does.

    Parameters
    ----------
    name : of the command
    args : what `command_parser` read; `offline` among its defaults is what needs no exchange
    overrides : of the settings, from flags; None for those not given
    make : does the work
    plain : does it for a plain strategy; None where there is nothing to do for one
    """

    def made() -> Report:
        settings = load_any_settings(args.config, overrides)
        if args.show_config:
            return ShownSettings(settings)
        if plain is not None and isinstance(settings, PlainSettings):
            return plain(settings)
        return make(hybrid(settings))

    return tell(name, args, made)


def tell(name: str, args: argparse.Namespace, make: Callable[[], Report]) -> int:
    """Make the report, print it and return the exit code.

    A report that has not passed is 1, one that names its code has that. A named error is one line
    and 1, one of usage 2, that another process is at it BUSY, an interruption 130.
    """
    console = error_console()
    try:
        with (
            logged(console, verbose=args.verbose, quiet=args.quiet),
            show_progress(console, quiet=args.quiet),
        ):
            report = make()
        _print(_said(report, as_json=args.json))
        if getattr(args, "open", None):
            show_page(report, as_json=args.json)
    except NAMED_ERRORS as error:
        print(f"{name}: {one_line(f'{error}{_remedy(args, error)}')}", file=sys.stderr)
        return _code_of(error)
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 130
    if isinstance(report, Coded):
        return int(report.exit_code)
    return 0 if not isinstance(report, Judged) or report.passed else 1


def _code_of(error: Exception) -> int:
    if isinstance(error, UsageError):
        return 2
    return BUSY if isinstance(error, BusyError) else 1


def _remedy(args: argparse.Namespace, error: BaseException) -> str:
    """Return what needs no exchange, if none answers; commands say it by `offline`."""
    told = getattr(args, "offline", None)
    away = isinstance(error, UnreachableError | BlockedError)
    return f"; without an exchange: {told}" if told and away else ""


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError:
        # What is left of it would fail again at the end, with a code of Python's own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def _said(report: Report, *, as_json: bool) -> str:
    if as_json:
        return json.dumps(report.to_json(), allow_nan=False, indent=2)
    return report.text()
