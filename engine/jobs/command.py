"""What the commands share: flags, dates, logging, and errors as one line."""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EngineError
from feeds.errors import FeedError
from feeds.symbol import normalise_symbol
from feeds.timeframe import Timeframe
from ml.errors import MLError

NAMED_ERRORS = (FeedError, MLError, EngineError, OSError)


def command_parser(description: str, examples: str) -> argparse.ArgumentParser:
    """Return a parser with the flags that every command has."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings; flags override")
    parser.add_argument("--show-config", action="store_true", help="print the settings and stop")
    parser.add_argument(
        "--seed", type=whole_number, metavar="N", help="where all chance comes from"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")
    parser.add_argument("-v", "--verbose", action="store_true", help="show the log, entries too")
    return parser


def add_file_flags(parser: argparse.ArgumentParser, *names: str, required: bool = False) -> None:
    """Add a repeatable, multi-valued flag for files of bars, and how to read them."""
    parser.add_argument(
        *names,
        dest="data",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        required=required,
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
        type=lambda text: tuple(text.split(",")),
        metavar="sort,dedupe,…",
        help="repairs allowed on defective files; without it they are refused",
    )


def date(text: str) -> np.datetime64:
    """Read an ISO date or time; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be like 2024-01-31, found {text!r}") from error
    naive = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return np.datetime64(naive, "ms")


def symbol(text: str) -> str:
    """Read a symbol."""
    try:
        return normalise_symbol(text)
    except FeedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def timeframe(text: str) -> Timeframe:
    """Read a timeframe."""
    try:
        return Timeframe.parse(text)
    except FeedError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def whole_number(text: str) -> int:
    """Read a whole number from 0 up."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 up, found {text!r}")
    return int(text)


def guarded(name: str, work: Callable[[], int]) -> int:
    """Return the exit code of `work`; a named error becomes one line and 1."""
    try:
        return work()
    except NAMED_ERRORS as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print(f"{name}: stopped", file=sys.stderr)  # noqa: T201
        return 130


def show_log(*, verbose: bool) -> None:
    """Send the log to stderr: warnings, and with `verbose` everything."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("tandem")
    log.handlers[:] = [handler]
    log.propagate = False
    log.setLevel(logging.INFO if verbose else logging.WARNING)


def as_json(value: Any) -> str:
    """Return JSON in which NaN cannot hide."""
    return json.dumps(value, allow_nan=False, indent=2)
