"""Flags of the paper command."""

import argparse
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.jobs.bar_flags import add_date_flags, add_repair_flag
from engine.jobs.flags import (
    add_strategy_flag,
    given,
    refuse_flags,
    symbol,
    timeframe,
    whole_number,
)
from engine.jobs.live.request import DEFAULT_TIMEFRAME, PaperRequest, Rehearsal
from engine.jobs.markets import AskedBars, BarFiles, refuse_mixed_symbols
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from feeds.messages import shown

_ML = "auto (default): with ML if a bundle loads, else a warning and without; on: ML or nothing"
_LIVE = ("symbols", "exchange", "base_url")
_REHEARSED = ("symbol", "speed", "outage", "start_date", "end_date", "repair")
_RUN = (
    *_LIVE,
    *_REHEARSED,
    "timeframe",
    "state",
    "dashboard",
    "record",
    "strategy",
    "ml",
    "model",
    "cash",
)


def add_paper_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of a session, of a rehearsal and of looking at one."""
    _add_live_flags(parser.add_argument_group("a live market"))
    _add_rehearsal_flags(parser.add_argument_group("or a recording that stands in for it"))
    add_date_flags(parser)
    _add_session_flags(parser.add_argument_group("the session"))
    _add_account_flags(parser)
    looked = parser.add_argument_group("or a look at a session, whether it runs or has ended")
    looked.add_argument("--status", type=Path, metavar="STATE", help="say how it is doing")
    looked.add_argument(
        "--parity",
        type=Path,
        metavar="STATE",
        help="decide and price all of it again, and say what differs",
    )


def _add_live_flags(group: Any) -> None:
    group.add_argument(
        "--symbols",
        type=lambda text: [symbol(each) for each in text.split(",")],
        nargs="+",
        action="extend",
        metavar="BTC/USDT,…",
        help="what to trade: one quote currency, 100 at most",
    )
    group.add_argument(
        "--timeframe",
        type=timeframe,
        help=f"length of a bar; default {DEFAULT_TIMEFRAME}; of a file, where it says none",
    )
    group.add_argument("--exchange", metavar="ID", help="as ccxt names it; default binance")
    group.add_argument(
        "--base-url", metavar="URL", help="ask this address in place of the exchange's: a mirror"
    )


def _add_rehearsal_flags(group: Any) -> None:
    group.add_argument(
        "--rehearse",
        dest="data",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="Parquet or CSV; one symbol a file; its first bars are warm-up",
    )
    group.add_argument("--symbol", type=symbol, help="for files that do not say theirs")
    add_repair_flag(group)
    group.add_argument(
        "--speed", type=float, metavar="X", help="how much faster than real time; default 60"
    )
    group.add_argument(
        "--outage",
        type=whole_number,
        metavar="N",
        help="bars that close unwatched while an interrupted rehearsal was down; default 0",
    )


def _add_session_flags(group: Any) -> None:
    group.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="where the session is kept and goes on from; default paper.sqlite, of a rehearsal a "
        "file of its own below --out",
    )
    group.add_argument(
        "--dashboard",
        type=_address,
        metavar="HOST:PORT",
        help="show it in a browser, at 127.0.0.1:8787 say",
    )
    group.add_argument(
        "--record",
        type=Path,
        metavar="DIR",
        help="keep bars and trades as they come, to rehearse them",
    )
    group.add_argument(
        "--confirm",
        choices=["always", "doubt"],
        help="ask about each bar again by REST (default), or where the stream leaves a doubt",
    )


def _add_account_flags(parser: argparse.ArgumentParser) -> None:
    add_strategy_flag(parser.add_argument_group("the strategy"))
    ml = parser.add_argument_group("the ensemble")
    modes = [mode.value for mode in MLMode if mode is not MLMode.COMPARE]
    ml.add_argument("--ml", choices=modes, help=_ML)
    ml.add_argument("--model", type=Path, metavar="PATH", help="folder of the bundle to ask")
    ml.add_argument(
        "--in-sample", action="store_true", help="rehearse bars that the bundle was trained on"
    )
    account = parser.add_argument_group("the account")
    account.add_argument("--cash", type=float, help="starting cash, in quote currency")
    account.add_argument("--fee", type=float, help="a fraction per side: 0.001 is 0.1 %%")
    account.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="where the folder of the run is made",
    )


def paper_overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    """Return what the flags change in the settings."""
    repair = None if args.repair is None else tuple(chain.from_iterable(args.repair))
    return {
        "seed": args.seed,
        "broker": {"cash": args.cash, "fee": args.fee},
        "data": {"repair": repair, "exchange": args.exchange, "base_url": args.base_url},
        "strategy": {"file": args.strategy, "ml_model_path": args.model},
        "paper": {"confirm": args.confirm},
    }


def paper_request(args: argparse.Namespace, settings: Settings) -> PaperRequest:
    """Return what the flags ask for.

    Raises
    ------
    UsageError
        if flags do not go together
    """
    if args.data:
        refuse_flags(args, _LIVE, "goes with a live market, and a recording was named: drop one")
    elif args.symbols is None:
        raise UsageError("a session needs a market: name --symbols, or a recording by --rehearse")
    else:
        refuse_flags(args, _REHEARSED, "goes with --rehearse")
    symbols = tuple(chain(*(args.symbols or ())))
    refuse_mixed_symbols(symbols)
    return PaperRequest(
        settings=settings,
        ml=MLMode.AUTO if args.ml is None else MLMode(args.ml),
        symbols=symbols,
        timeframe=args.timeframe or DEFAULT_TIMEFRAME,
        rehearsal=_rehearsal(args) if args.data else None,
        in_sample=args.in_sample,
        state=args.state,
        out=args.out,
        dashboard=args.dashboard,
        record=args.record,
    )


def refuse_flags_of_a_session(args: argparse.Namespace, name: str) -> None:
    """Raise `UsageError` if a look at a session was asked for together with one to run."""
    wrong = [*given(args, ("open", *_RUN)), *(["--rehearse"] if args.data else [])]
    if wrong:
        raise UsageError(f"{wrong[0]} goes with a session to run, and {name} looks at one")


def _rehearsal(args: argparse.Namespace) -> Rehearsal:
    source = BarFiles(tuple(args.data), args.symbol, args.timeframe)
    return Rehearsal(
        bars=AskedBars(source, args.start_date, args.end_date),
        speed=60.0 if args.speed is None else args.speed,
        outage=args.outage or 0,
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"must be like 127.0.0.1:8787, found {shown(text)}")
    return host.strip("[]"), int(port)
