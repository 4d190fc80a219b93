"""Train the ML ensemble on files of bars and keep it as a bundle."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.config import to_toml
from engine.jobs.command import (
    add_file_flags,
    as_json,
    command_parser,
    date,
    guarded,
    show_log,
    whole_number,
)
from engine.jobs.settings import Settings, load_settings
from engine.jobs.train import TrainRequest, train_on_files

EXAMPLES = """\
  train_ml_ensemble.py --data-file BTC-USDT_5m.parquet
  train_ml_ensemble.py --data-file BTC-USDT_5m.parquet ETH-USDT_5m.parquet --until 2024-01-01
  train_ml_ensemble.py --data-file BTC-USDT_5m.csv --label barrier --preset small --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
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


def _settings(args: argparse.Namespace) -> Settings:
    percent = args.profit_threshold
    overrides = {
        "seed": args.seed,
        "data": {"repair": args.repair},
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
    return load_settings(args.config, overrides)


def _train(args: argparse.Namespace, settings: Settings) -> None:
    request = TrainRequest(
        settings=settings,
        data=tuple(args.data),
        symbol=args.symbol,
        timeframe=args.timeframe,
        until=args.until,
    )
    report = train_on_files(request)
    print(as_json(report.to_json()) if args.json else report.text())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if not (args.data or args.show_config):
        parser.error("--data-file FILE is needed")
    show_log(verbose=args.verbose)
    logging.getLogger("tandem.ml").setLevel(logging.INFO)  # a training of minutes shows progress

    def work() -> int:
        settings = _settings(args)
        if args.show_config:
            print(to_toml(settings))
        else:
            _train(args, settings)
        return 0

    return guarded("train_ml_ensemble", work)


if __name__ == "__main__":
    sys.exit(main())
