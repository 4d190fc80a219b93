#!/usr/bin/env python3
"""Train the ML ensemble on bars and keep it as a bundle."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engine.errors import UsageError
from engine.jobs.bar_flags import add_bar_flags, asked_bars, bar_overrides
from engine.jobs.flags import (
    Report,
    add_common_flags,
    add_device_flag,
    add_strategy_flag,
    answer,
    command_parser,
    refuse_flags,
    whole_number,
)
from engine.jobs.settings import Settings
from engine.jobs.updating.policy import Promote
from ml.bundle import DEFAULT_PATH
from ml.training.config import TrainingConfig

EXAMPLES = """\
  train_ml_ensemble.py --symbols BTC/USDT,ETH/USDT --start-date 2022-01-01 --end-date 2024-01-01
  train_ml_ensemble.py --data BTC-USDT_5m.parquet ETH-USDT_5m.parquet --end-date 2024-01-01
  train_ml_ensemble.py --data BTC-USDT_5m.parquet --optimize --trials 20
  train_ml_ensemble.py --update --data BTC-USDT_5m_new.parquet
  train_ml_ensemble.py --update
      what the exchange has since, for the symbols of the bundle
  train_ml_ensemble.py --update --promote unless-worse --quiet
      the usual line of a crontab (docs/retraining.md)
  train_ml_ensemble.py --rollback
  train_ml_ensemble.py --data BTC-USDT_5m.csv --label barrier --preset small --json

exit codes beside the usual ones: 0 trained, promoted or rolled back; 3 the running bundle is kept;
4 another training or update of the bundle is under way
"""

_TRAINS = (
    *("symbols", "timeframe", "start_date", "end_date", "days"),
    *("label", "lookahead", "profit_threshold", "population"),
    *("preset", "jobs", "device", "fit_thresholds", "optimize", "trials", "promote"),
)


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(
        __doc__ or "", EXAMPLES, {"--data-file": "--data", "--model": "--output"}
    )
    add_bar_flags(parser)
    _add_label_flags(parser.add_argument_group("what is learned"))
    training = parser.add_argument_group("the training")
    add_strategy_flag(training)
    training.add_argument(
        "--output", type=Path, metavar="PATH", help=f"folder of the bundle; default: {DEFAULT_PATH}"
    )
    training.add_argument("--preset", choices=("full", "small"), help="size of the models")
    training.add_argument("--jobs", type=whole_number, metavar="N", help="threads; default 2")
    add_device_flag(training)
    training.add_argument(
        "--fit-thresholds",
        action="store_true",
        default=None,
        help="choose the thresholds of the points on the calibrate part",
    )
    training.add_argument(
        "--optimize",
        action="store_true",
        default=None,
        help="search for the models' parameters first; taken up where it was interrupted",
    )
    training.add_argument(
        "--trials", type=whole_number, metavar="N", help="of the search, for each model; default "
        f"{TrainingConfig().trials}"
    )  # fmt: skip
    _add_update_flags(parser.add_argument_group("a bundle that is there"))
    add_common_flags(parser)
    return parser


def _add_update_flags(group: Any) -> None:
    group.add_argument(
        "--update",
        action="store_true",
        help="extend the bundle at --output by newer bars, by default those of the exchange since, "
        "and train a candidate; what is learned stays the bundle's",
    )
    group.add_argument(
        "--promote",
        choices=[str(policy) for policy in Promote],
        help="put the candidate of an --update in force with evidence that it is better than the "
        "running bundle (default), or unless it is shown to be worse",
    )
    group.add_argument(
        "--rollback",
        nargs="?",
        const="",
        metavar="VERSION",
        help="put the version in force that the running one replaced, or the one that is named; "
        "five are kept",
    )


def _add_label_flags(group: Any) -> None:
    group.add_argument(
        "--label",
        choices=("horizon", "barrier", "payoff"),
        help="horizon: the price reaches the threshold in time (default); "
        "barrier: the strategy's exits end in profit after costs; "
        "payoff: the same, each trade counting by what it won or lost (examples/payoff.toml)",
    )
    group.add_argument(
        "--lookahead", type=whole_number, metavar="BARS", help="of the horizon label; default 5"
    )
    group.add_argument(
        "--profit-threshold",
        type=float,
        metavar="PERCENT",
        help="of the horizon label, in percent; default 0.5",
    )
    group.add_argument(
        "--population",
        choices=("candidates", "all"),
        help="learn from the bars where the mandatory filter holds (default), or from all",
    )


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    percent = args.profit_threshold
    return {
        "seed": args.seed,
        "data": bar_overrides(args),
        "strategy": {"file": args.strategy, "ml_model_path": args.output},
        "training": {
            "label": args.label,
            "lookahead": args.lookahead,
            "profit_threshold": None if percent is None else percent / 100,
            "population": args.population,
            "preset": args.preset,
            "jobs": args.jobs,
            "device": args.device,
            "fit_thresholds": args.fit_thresholds,
            "optimize": args.optimize,
            "trials": args.trials,
        },
    }


def _trained(args: argparse.Namespace, settings: Settings) -> Report:
    if args.rollback is not None:
        return _rolled_back(args, settings)
    if args.update:
        return _updated(args, settings)
    refuse_flags(args, ("promote",), "goes with --update: a training is always put in force")
    asked = asked_bars(args, settings)
    if asked is None:
        raise UsageError("a training needs bars: name --data FILE, or --symbols")
    from engine.jobs.train import train_on  # help and refusals start without learning

    return train_on(asked, settings)


def _updated(args: argparse.Namespace, settings: Settings) -> Report:
    from engine.jobs.updating.routine import update  # help and refusals start without learning

    learned = ("label", "lookahead", "profit_threshold", "population", "preset")
    refuse_flags(args, learned, "is the bundle's own in an --update: leave it away")
    promote = Promote(args.promote or Promote.EVIDENCE)
    begins = "has no say in an --update, which begins where the bundle ends: leave it away"
    if args.data:
        refuse_flags(args, ("start_date",), begins)
    elif args.symbols is None:
        refuse_flags(args, ("timeframe", "start_date", "days"), begins)
        return update(None, settings, until=args.end_date, promote=promote)
    asked = asked_bars(args, settings)
    source = None if asked is None else asked.source
    return update(source, settings, until=args.end_date, promote=promote)


def _rolled_back(args: argparse.Namespace, settings: Settings) -> Report:
    from engine.jobs.updating.routine import go_back  # help and refusals start without learning

    if args.update:
        raise UsageError("--rollback and --update are two commands: give one of them")
    trains = ("data", *_TRAINS) if args.data else _TRAINS
    refuse_flags(args, trains, "has no say in a --rollback, which trains nothing: leave it away")
    return go_back(settings, to=args.rollback or None)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return answer(
        "train_ml_ensemble",
        args,
        _overrides(args),
        lambda settings: _trained(args, settings),
    )


if __name__ == "__main__":
    sys.exit(main())
