#!/usr/bin/env python3
"""Show how good a bundle is: as stored at its training, or on bars that it has not seen."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.jobs.bar_flags import add_bar_flags, asked_bars, bar_overrides
from engine.jobs.evaluate import EvaluateReport, EvaluateRequest, evaluate_bundle
from engine.jobs.flags import add_common_flags, add_strategy_flag, answer, command_parser
from engine.jobs.settings import Settings
from ml.bundle import DEFAULT_PATH

EXAMPLES = """\
  evaluate_ml_ensemble.py --model models/crypto_scalping_ensemble
  evaluate_ml_ensemble.py --symbols BTC/USDT,ETH/USDT --start-date 2024-01-01
  evaluate_ml_ensemble.py --model models/mine --data BTC-USDT_5m.parquet ETH-USDT_5m.parquet
  evaluate_ml_ensemble.py --model models/mine --data BTC-USDT_5m.parquet --feature-importance
  evaluate_ml_ensemble.py --model models/mine --data BTC-USDT_5m.parquet --backtest --json

Label, population, exits, costs and mandatory filter are the bundle's own. Rows decided before
the bundle's last seen moment are in-sample and left out.
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(__doc__ or "", EXAMPLES, {"--test-data": "--data"})
    parser.add_argument(
        "--model", type=Path, metavar="PATH", help=f"folder of the bundle; default: {DEFAULT_PATH}"
    )
    add_strategy_flag(parser)
    add_bar_flags(parser)
    asked = parser.add_argument_group("what is asked beside the scores, of bars")
    asked.add_argument(
        "--feature-importance",
        action="store_true",
        help="how much worse the vote gets without a feature, a family, a member; takes minutes; "
        "the bundle of a default run (runs/default_ensemble) brings its own bars",
    )
    asked.add_argument("--backtest", action="store_true", help="trade them, ML-off against ML-on")
    asked.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="folder for the run of --backtest; default: runs",
    )
    add_common_flags(parser)
    return parser


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    return {
        "seed": args.seed,
        "data": bar_overrides(args),
        "strategy": {"file": args.strategy, "ml_model_path": args.model},
    }


def _evaluated(args: argparse.Namespace, settings: Settings) -> EvaluateReport:
    return evaluate_bundle(
        EvaluateRequest(
            settings=settings,
            bars=asked_bars(args, settings),
            importance=args.feature_importance,
            backtest=args.backtest,
            out=args.out,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return answer(
        "evaluate_ml_ensemble",
        args,
        _overrides(args),
        lambda settings: _evaluated(args, settings),
    )


if __name__ == "__main__":
    sys.exit(main())
