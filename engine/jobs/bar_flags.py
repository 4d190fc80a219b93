"""Flags that say which bars a command works on: files, or bars of an exchange by way of the store.

Any flag about an exchange or about dates means real bars; without one a command that has an
embedded default takes that.
"""

import argparse
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import UsageError
from engine.jobs.flag_parser import BARS
from engine.jobs.flags import date, day_count, given, refuse_flags, symbol, timeframe
from engine.jobs.markets import AskedBars, BarFiles, ExchangeBars, last_close
from engine.jobs.settings import RunSettings
from feeds.clock import SystemClock
from feeds.timeframe import Timeframe

DEFAULT_SYMBOLS = ("BTC/USDT",)
DEFAULT_TIMEFRAME = Timeframe.parse("5m")
DEFAULT_DAYS = 180

OFFLINE = f"{BARS} FILE, or the dates of bars that --store has already"  # needs no exchange

# What asks for bars of an exchange where no file is named: which of them, and where they are.
_WHICH = ("symbols", "timeframe", "start_date", "end_date", "days")
_WHERE = ("exchange", "store", "base_url")


def add_bar_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of files, of exchanges and of dates."""
    add_file_flags(parser)
    add_exchange_flags(parser)
    add_date_flags(parser)
    parser.set_defaults(offline=OFFLINE)


def add_date_flags(parser: argparse.ArgumentParser) -> None:
    """Add the dates of the bars that count."""
    dates = parser.add_argument_group("dates of the bars, in UTC")
    dates.add_argument("--start-date", type=date, metavar="D", help="the first bar that counts")
    dates.add_argument("--end-date", type=date, metavar="D", help="exclusive")


def add_file_flags(parser: argparse.ArgumentParser) -> None:
    """Add a repeatable, multi-valued flag for files of bars, and how to read them."""
    group = parser.add_argument_group("bars from files")
    group.add_argument(
        BARS,
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="Parquet or CSV; one symbol a file; repeatable",
    )
    group.add_argument(
        "--symbol", type=symbol, help="for files that do not say theirs: BTC/USDT or BTC-USDT"
    )
    group.add_argument(
        "--timeframe",
        type=timeframe,
        help=f"for files that do not say theirs: 1m, 5m, 1h, …; of an exchange, default "
        f"{DEFAULT_TIMEFRAME}",
    )
    add_repair_flag(group)


def add_repair_flag(group: Any) -> None:
    """Add the flag that allows repairs."""
    group.add_argument(
        "--repair",
        type=lambda text: text.split(","),
        nargs="+",
        action="extend",
        metavar="sort,dedupe,…",
        help="repairs allowed on defective bars; without it they are refused",
    )


def add_exchange_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of bars that come from an exchange, by way of the store."""
    group = parser.add_argument_group("bars from an exchange, kept in the store")
    group.add_argument(
        "--symbols",
        type=lambda text: [symbol(each) for each in text.split(",")],
        nargs="+",
        action="extend",
        metavar="BTC/USDT,…",
        help=f"default: {','.join(DEFAULT_SYMBOLS)}",
    )
    add_place_flags(group)


def add_place_flags(group: Any) -> None:
    """Add the flags that say where bars come from and how many."""
    group.add_argument(
        "--days",
        type=day_count,
        metavar="N",
        help=f"until --end-date, or until now; default {DEFAULT_DAYS}",
    )
    group.add_argument(
        "--exchange",
        metavar="ID",
        help="as ccxt names it; default: binance, for pairs in USD another that lists them",
    )
    group.add_argument("--store", type=Path, metavar="DIR", help="default: data")
    group.add_argument(
        "--base-url", metavar="URL", help="ask this address: a mirror or stand-in of the exchange"
    )


def bar_overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return what the flags change in the settings of the data."""
    return {
        "repair": None if args.repair is None else tuple(chain.from_iterable(args.repair)),
        "exchange": args.exchange,
        "store": args.store,
        "base_url": args.base_url,
    }


def asked_bars(args: argparse.Namespace, settings: RunSettings) -> AskedBars | None:
    """Return the bars that the flags of `add_bar_flags` ask for; None if they ask for none.

    Raises
    ------
    UsageError
        if flags do not go together
    """
    if args.data:
        refuse_flags(
            args,
            ("symbols", "days", *_WHERE),
            "goes with bars of an exchange, and files were named: drop one of them",
        )  # fmt: skip  one sentence
        source = BarFiles(tuple(args.data), args.symbol, args.timeframe)
        return AskedBars(source, args.start_date, args.end_date)
    if args.symbol is not None:
        raise UsageError("--symbol goes with files; bars of an exchange are named by --symbols")
    if not given(args, (*_WHICH, *_WHERE)):
        return None
    symbols = DEFAULT_SYMBOLS if args.symbols is None else tuple(chain(*args.symbols))
    bars = exchange_bars(args, symbols, before=settings.strategy.warmup_bars)
    return AskedBars(bars, bars.start, bars.end)


def exchange_bars(args: argparse.Namespace, symbols: Sequence[str], *, before: int) -> ExchangeBars:
    """Return the bars of an exchange in the dates that the flags give, and so many before them.

    Raises
    ------
    UsageError
        if they give too many
    """
    if args.days is not None and args.start_date is not None:
        raise UsageError("--days and --start-date both say where the bars begin: give one of them")
    frame = args.timeframe or DEFAULT_TIMEFRAME
    end = last_close(frame, SystemClock()) if args.end_date is None else args.end_date
    days = DEFAULT_DAYS if args.days is None else args.days
    start = end - np.timedelta64(days, "D") if args.start_date is None else args.start_date
    return ExchangeBars(symbols, frame, start, end, before)
