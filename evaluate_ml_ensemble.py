"""Show how good a bundle is: as stored at its training, or on bars that it has not seen."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.jobs.evaluate import EvaluateReport, EvaluateRequest, evaluate_bundle
from engine.jobs.flags import (
    add_file_flags,
    add_settings_flags,
    answer,
    bar_files,
    command_parser,
    repairs,
)
from engine.jobs.settings import Settings

EXAMPLES = """\
  evaluate_ml_ensemble.py --model models/crypto_scalping_ensemble
  evaluate_ml_ensemble.py --model models/mine --test-data BTC-USDT_5m.parquet ETH-USDT_5m.parquet
  evaluate_ml_ensemble.py --model models/mine --test-data BTC-USDT_5m.parquet --backtest --json

Label, population, exits, costs and mandatory filter are the bundle's own. Rows decided before
the bundle's last seen moment are in-sample and left out.
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_settings_flags(parser)
    parser.add_argument("--model", type=Path, metavar="PATH", help="folder of the bundle")
    add_file_flags(parser, "--test-data")
    parser.add_argument(
        "--backtest", action="store_true", help="also trade these bars, ML-off against ML-on"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs"), help="for the backtest"
    )
    return parser


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    return {
        "seed": args.seed,
        "data": {"repair": repairs(args)},
        "strategy": {"ml_model_path": args.model},
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)

    def evaluated(settings: Settings) -> EvaluateReport:
        return evaluate_bundle(
            EvaluateRequest(
                settings=settings, files=bar_files(args), backtest=args.backtest, out=args.out
            )
        )

    return answer("evaluate_ml_ensemble", args, _overrides(args), evaluated)


if __name__ == "__main__":
    sys.exit(main())
