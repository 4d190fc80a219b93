"""Train the ML ensemble on files of bars and keep it as a bundle."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.jobs.flags import (
    add_file_flags,
    add_settings_flags,
    answer,
    bar_files,
    command_parser,
    date,
    needs_files,
    repairs,
    show_progress,
    whole_number,
)
from engine.jobs.train import train_on_files

EXAMPLES = """\
  train_ml_ensemble.py --data-file BTC-USDT_5m.parquet
  train_ml_ensemble.py --data-file BTC-USDT_5m.parquet ETH-USDT_5m.parquet --until 2024-01-01
  train_ml_ensemble.py --data-file BTC-USDT_5m.csv --label barrier --preset small --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_settings_flags(parser)
    add_file_flags(parser, "--data-file")
    parser.add_argument(
        "--label",
        choices=("horizon", "barrier"),
        help="horizon: the price reaches the threshold in time (default); "
        "barrier: the strategy's exits end in profit after costs",
    )
    parser.add_argument(
        "--lookahead", type=whole_number, metavar="BARS", help="of the horizon label; default 5"
    )
    parser.add_argument(
        "--profit-threshold",
        type=float,
        metavar="PERCENT",
        help="of the horizon label, in percent; default 0.5",
    )
    parser.add_argument(
        "--population",
        choices=("candidates", "all"),
        help="learn from the bars where the mandatory filter holds (default), or from all",
    )
    parser.add_argument("--until", type=date, metavar="DATE", help="UTC; bars that close later "
                        "are not read")  # fmt: skip
    parser.add_argument("--output", type=Path, metavar="PATH", help="folder of the bundle")
    parser.add_argument("--preset", choices=("full", "small"), help="size of the models")
    parser.add_argument("--jobs", type=whole_number, metavar="N", help="threads; default 2")
    return parser


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    percent = args.profit_threshold
    return {
        "seed": args.seed,
        "data": {"repair": repairs(args)},
        "strategy": {"ml_model_path": args.output},
        "training": {
            "label": args.label,
            "lookahead": args.lookahead,
            "profit_threshold": None if percent is None else percent / 100,
            "population": args.population,
            "preset": args.preset,
            "jobs": args.jobs,
        },
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    needs_files(parser, args, "--data-file")
    show_progress()
    return answer(
        "train_ml_ensemble",
        args,
        _overrides(args),
        lambda settings: train_on_files(bar_files(args), settings, until=args.until),
    )


if __name__ == "__main__":
    sys.exit(main())
