"""Show how good a bundle is: as stored at its training, or on bars that it has not seen."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.config import to_toml
from engine.jobs.command import add_file_flags, as_json, command_parser, guarded, show_log
from engine.jobs.evaluate import EvaluateRequest, evaluate_bundle
from engine.jobs.settings import Settings, load_settings

EXAMPLES = """\
  evaluate_ml_ensemble.py --model models/crypto_scalping_ensemble
  evaluate_ml_ensemble.py --model models/mine --test-data BTC-USDT_5m.parquet ETH-USDT_5m.parquet
  evaluate_ml_ensemble.py --model models/mine --test-data BTC-USDT_5m.parquet --backtest --json

Label, population, exits, costs and mandatory filter are the bundle's own. Rows decided before
the bundle's last seen moment are in-sample and left out.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--model", type=Path, metavar="PATH", help="folder of the bundle")
    add_file_flags(parser, "--test-data")
    parser.add_argument(
        "--backtest", action="store_true", help="also trade these bars, ML-off against ML-on"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs"), help="for the backtest"
    )
    return parser


def _evaluate(args: argparse.Namespace, settings: Settings) -> None:
    request = EvaluateRequest(
        settings=settings,
        model=settings.strategy.ml_model_path,
        data=tuple(args.data),
        symbol=args.symbol,
        timeframe=args.timeframe,
        backtest=args.backtest,
        out=args.out,
    )
    report = evaluate_bundle(request)
    print(as_json(report.to_json()) if args.json else report.text())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    show_log(verbose=args.verbose)

    def work() -> int:
        overrides = {
            "seed": args.seed,
            "data": {"repair": args.repair},
            "strategy": {"ml_model_path": args.model},
        }
        settings = load_settings(args.config, overrides)
        if args.show_config:
            print(to_toml(settings))
        else:
            _evaluate(args, settings)
        return 0

    return guarded("evaluate_ml_ensemble", work)


if __name__ == "__main__":
    sys.exit(main())
