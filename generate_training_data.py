#!/usr/bin/env python3
"""Get market data to train and test on: bars of an exchange, or a simulated market.

Bars of an exchange are kept in the store, where every command finds them; --output writes them to a
file as well. What is simulated is marked SYNTHETIC.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.jobs.bar_flags import (
    DEFAULT_DAYS,
    DEFAULT_TIMEFRAME,
    add_date_flags,
    add_place_flags,
    add_repair_flag,
    bar_overrides,
    exchange_bars,
)
from engine.jobs.flags import (
    add_common_flags,
    add_strategy_flag,
    answer,
    command_parser,
    date,
    refuse_flags,
    symbol,
    timeframe,
)
from engine.jobs.generate import Generated, Simulation, download, simulate, with_candidates
from engine.jobs.settings import Settings

EXAMPLES = """\
  generate_training_data.py --symbol BTC/USDT --timeframe 5m --days 180
  generate_training_data.py --symbol ETH/USDT --start-date 2023-01-01 --end-date 2024-01-01 \\
      --exchange binance --output ETH-USDT_5m.parquet
  generate_training_data.py --synthetic --days 180 --seed 7 --output data/BTC-USDT_5m.parquet
  generate_training_data.py --synthetic --symbol ETH-USDT --timeframe 1m --days 30 \\
      --start-date 2024-01-01 --output eth.csv --json
"""

SIMULATED_FROM = "2022-01-01"


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(__doc__ or "", EXAMPLES)
    market = parser.add_argument_group("the market")
    market.add_argument("--symbol", type=symbol, default="BTC/USDT", help="default: BTC/USDT")
    market.add_argument("--timeframe", type=timeframe, help=f"default: {DEFAULT_TIMEFRAME}")
    market.add_argument("--output", type=Path, metavar="FILE", help="FILE.csv or FILE.parquet")
    add_strategy_flag(market, "also count the bars that it would learn from")
    exchange = parser.add_argument_group("bars from an exchange")
    add_place_flags(exchange)
    add_repair_flag(exchange)
    add_date_flags(parser)
    simulated = parser.add_argument_group("a simulated market")
    simulated.add_argument(
        "--synthetic",
        action="store_true",
        help=f"docs/synthetic-market.md; --days from --start-date, default {SIMULATED_FROM}",
    )
    add_common_flags(parser)
    parser.set_defaults(offline="--synthetic makes bars, or dates that --store has already")
    return parser


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    return {"seed": args.seed, "data": bar_overrides(args), "strategy": {"file": args.strategy}}


def _generated(args: argparse.Namespace, settings: Settings) -> Generated:
    made = _simulated(args, settings) if args.synthetic else _downloaded(args, settings)
    return made if args.strategy is None else with_candidates(made, settings)


def _simulated(args: argparse.Namespace, settings: Settings) -> Generated:
    of_exchanges = ("exchange", "store", "base_url", "end_date", "repair")
    refuse_flags(args, of_exchanges, "goes with bars of an exchange, not with --synthetic")
    if args.output is None:
        raise UsageError("a simulated market is kept in a file: add --output FILE.parquet")
    simulation = Simulation(
        symbol=args.symbol,
        timeframe=args.timeframe or DEFAULT_TIMEFRAME,
        days=DEFAULT_DAYS if args.days is None else args.days,
        seed=settings.seed,
        start=args.start_date or date(SIMULATED_FROM),
    )
    return simulate(simulation, args.output)


def _downloaded(args: argparse.Namespace, settings: Settings) -> Generated:
    return download(exchange_bars(args, [args.symbol], before=0), settings.data, args.output)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return answer(
        "generate_training_data",
        args,
        _overrides(args),
        lambda settings: _generated(args, settings),
    )


if __name__ == "__main__":
    sys.exit(main())
