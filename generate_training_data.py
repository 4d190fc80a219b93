"""Make market data to train and test on; what is simulated is marked SYNTHETIC."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import UsageError
from engine.jobs.flags import command_parser, date, printed, symbol, timeframe, whole_number
from engine.jobs.generate import Generated, GenerateRequest, generate
from feeds.timeframe import Timeframe

NAME = "generate_training_data"
EXAMPLES = """\
  generate_training_data.py --synthetic --output data/BTC-USDT_5m.parquet --days 180 --seed 7
  generate_training_data.py --synthetic --symbol ETH-USDT --timeframe 1m --days 30 \\
      --start-date 2024-01-01 --output eth.csv --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add = parser.add_argument
    add("--synthetic", action="store_true", help="simulate a market: docs/synthetic-market.md")
    add("--symbol", type=symbol, default="BTC/USDT", help="default: BTC/USDT")
    add("--timeframe", type=timeframe, default=Timeframe.parse("5m"), help="default: 5m")
    add("--days", type=whole_number, default=180, metavar="N", help="default: 180")
    add("--start-date", type=date, default=date("2022-01-01"), metavar="D", help="2022-01-01 (UTC)")
    add("--output", type=Path, required=True, metavar="FILE", help="FILE.csv or FILE.parquet")
    return parser


def _generated(args: argparse.Namespace) -> Generated:
    if not args.synthetic:
        raise UsageError("downloads of real bars come later; use --synthetic")
    return generate(
        GenerateRequest(
            symbol=args.symbol,
            timeframe=args.timeframe,
            days=args.days,
            seed=args.seed or 0,
            start=args.start_date,
            output=args.output,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    return printed(NAME, args, lambda: _generated(args))


if __name__ == "__main__":
    sys.exit(main())
