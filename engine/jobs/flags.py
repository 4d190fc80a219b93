"""What the commands share: flags and how they are read, the answer, errors as one line."""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from engine.config import to_toml
from engine.errors import EngineError, UsageError
from engine.jobs.markets import BarFiles
from engine.jobs.settings import Settings, load_settings
from feeds.errors import FeedError
from feeds.moments import parse_utc
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe
from ml.errors import MLError

T = TypeVar("T")

NAMED_ERRORS = (FeedError, MLError, EngineError, OSError)


class Report(Protocol):
    """What a command answers with."""

    def to_json(self) -> dict[str, Any]: ...

    def text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ShownSettings:
    """The answer to `--show-config`."""

    settings: Settings

    def to_json(self) -> dict[str, Any]:
        return self.settings.model_dump(mode="json")

    def text(self) -> str:
        return to_toml(self.settings).rstrip()


def command_parser(description: str, examples: str) -> argparse.ArgumentParser:
    """Return a parser with the flags that every command has."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="where all chance comes from"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    return parser


def add_settings_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a command that has settings."""
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings; flags override")
    parser.add_argument("--show-config", action="store_true", help="print the settings and stop")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the log, entries too")


def add_file_flags(parser: argparse.ArgumentParser, name: str) -> None:
    """Add a repeatable, multi-valued flag for files of bars, and how to read them."""
    parser.add_argument(
        name,
        dest="data",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="bars, Parquet or CSV; one symbol a file; repeatable",
    )
    parser.add_argument(
        "--symbol", type=symbol, help="for files that do not say theirs: BTC/USDT or BTC-USDT"
    )
    parser.add_argument(
        "--timeframe", type=timeframe, help="for files that do not say theirs: 1m, 5m, 1h, …"
    )
    parser.add_argument(
        "--repair",
        type=lambda text: text.split(","),
        nargs="+",
        action="extend",
        metavar="sort,dedupe,…",
        help="repairs allowed on defective files; without it they are refused",
    )


def bar_files(args: argparse.Namespace) -> BarFiles:
    """Return the files that `add_file_flags` asked for."""
    return BarFiles(tuple(args.data), args.symbol, args.timeframe)


def repairs(args: argparse.Namespace) -> tuple[str, ...] | None:
    """Return the repairs that `add_file_flags` allows, None if none was named."""
    return None if args.repair is None else tuple(chain.from_iterable(args.repair))


def needs_files(parser: argparse.ArgumentParser, args: argparse.Namespace, name: str) -> None:
    """End with a usage error if no file was given and one is needed."""
    if not (args.data or args.show_config):
        parser.error(f"the following arguments are required: {name}")


def date(text: str) -> np.datetime64:
    """Read an ISO date or time; without a zone it is UTC."""
    return _read(parse_utc, ValueError, text)


def symbol(text: str) -> str:
    """Read a symbol."""
    return _read(normalise_symbol, FeedError, text)


def timeframe(text: str) -> Timeframe:
    """Read a timeframe."""
    return _read(Timeframe.parse, FeedError, text)


def whole_number(text: str) -> int:
    """Read a whole number from 0 up."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 up, found {text!r}")
    return int(text)


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
) -> int:
    """Answer a command that has settings: load them, make the report, print it.

    Parameters
    ----------
    name : of the command
    args : what `command_parser` and `add_settings_flags` read
    overrides : of the settings, from flags; None for those not given
    make : does the work
    """
    show_log(verbose=args.verbose)

    def work() -> Report:
        settings = load_settings(args.config, overrides)
        return ShownSettings(settings) if args.show_config else make(settings)

    return printed(name, args, work)


def printed(name: str, args: argparse.Namespace, work: Callable[[], Report]) -> int:
    """Print the report of `work` and return the exit code; a named error is one line and 1."""
    try:
        report = work()
    except NAMED_ERRORS as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)
        return 130
    said = json.dumps(report.to_json(), allow_nan=False, indent=2) if args.json else report.text()
    print(said)
    return 0


def show_progress() -> None:
    """Show how a training goes on, which takes its time, whatever else the log shows."""
    logging.getLogger("tandem.ml").setLevel(logging.INFO)


def show_log(*, verbose: bool) -> None:
    """Send the log to stderr: warnings, and with `verbose` everything."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("tandem")
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO if verbose else logging.WARNING)
