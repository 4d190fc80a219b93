#!/usr/bin/env python3
"""Backtest the hybrid strategy: ML-off, ML-on, or both side by side."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine.errors import UsageError
from engine.jobs.backtest import backtest
from engine.jobs.bar_flags import OFFLINE, add_bar_flags
from engine.jobs.flags import (
    Report,
    add_common_flags,
    add_device_flag,
    answer,
    command_parser,
    refuse_flags,
    window_spec,
)
from engine.jobs.opening import add_open_flag
from engine.jobs.run_request import (
    RunRequest,
    add_run_flags,
    plain_request,
    run_overrides,
    run_request,
)
from engine.jobs.search_flags import NAMES as SEARCH_FLAGS
from engine.jobs.search_flags import add_search_flags, asked_search
from engine.jobs.searching.asked import AskedSearch
from engine.jobs.serving import MLMode
from engine.jobs.settings import PlainSettings, Settings
from engine.jobs.spreading.flags import NAMES as SPREADING_FLAGS
from engine.jobs.spreading.flags import add_spreading_flags, asked_backend
from engine.jobs.walking.windows import WindowSpec

if TYPE_CHECKING:
    from engine.jobs.spreading.task import Backend

EXAMPLES = """\
  run_backtest.py
      the embedded default: a synthetic market, an ensemble trained on its first part, ML-off
      and ML-on compared on the rest
  run_backtest.py --symbols BTC/USDT,ETH/USDT --timeframe 5m --start-date 2024-01-01 --ml compare
      bars of an exchange: from the store, and what it lacks is downloaded
  run_backtest.py --data BTC-USDT_5m.parquet --start-date 2024-01-01 --ml compare
  run_backtest.py --data BTC-USDT_5m.csv ETH-USDT_5m.csv --ml off --fee 0.00075 --json
  run_backtest.py --audit
      nothing is traded: looks for leaks, that is for anything that knows what comes later; exit
      code 1 and its name if there is one
  run_backtest.py --data BTC-USDT_5m.parquet --walk-forward train=365d,test=90d
      everything trained window by window, traded on what each had not seen
  run_backtest.py --walk-forward train=365d,test=90d --data BTC-USDT_5m.parquet --backend dask
      --address tcp://192.168.0.7:8786
      the same, the windows trained by the workers of a Dask cluster
  run_backtest.py --search examples/space.toml --trials 500 --ml off
      tries 500 settings on the same bars, runs the best, and says how flattered it is
"""

ML_DEFAULT = (
    "auto: ML if a bundle loads, else loudly without (default with bars); "
    "compare: ML-off and ML-on (default without)"
)


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_bar_flags(parser)
    add_run_flags(parser, MLMode, ML_DEFAULT)
    _add_walk_forward_flags(parser.add_argument_group("the walk-forward"))
    add_search_flags(parser.add_argument_group("the search"))
    add_spreading_flags(parser.add_argument_group("who trains the windows of a walk-forward"))
    _add_audit_flags(parser.add_argument_group("the leak audit"))
    add_device_flag(parser.add_argument_group("a training, where there is one"))
    add_open_flag(parser)
    add_common_flags(parser)
    parser.set_defaults(offline=f"{OFFLINE}, or no flag of bars for the simulated default market")
    return parser


def _add_walk_forward_flags(group: Any) -> None:
    group.add_argument(
        "--walk-forward",
        type=window_spec,
        metavar="train=365d,test=90d[,mode=rolling|expanding]",
        help="train again for each test; --start-date is that of the first training, --model where "
        "the last bundle is put in force",
    )
    group.add_argument(
        "--fit-thresholds",
        action="store_true",
        default=None,
        help="choose the thresholds of the points again for each window",
    )


def _add_audit_flags(group: Any) -> None:
    group.add_argument(
        "--audit",
        action="store_true",
        help="trade nothing; alter and cut away what comes after sampled moments, and exit with 1 "
        "if anything before them changes",
    )


def _overrides(args: argparse.Namespace) -> Mapping[str, Any]:
    return {
        **run_overrides(args),
        "training": {"fit_thresholds": args.fit_thresholds, "device": args.device},
    }


def _run(args: argparse.Namespace, settings: Settings) -> Report:
    request = run_request(args, settings)
    if args.audit:
        refuse_flags(
            args,
            ("walk_forward", "fit_thresholds", "open", *SEARCH_FLAGS, *SPREADING_FLAGS),
            "does not go with --audit: run them apart",
        )
        from engine.jobs.audit import audit  # a run starts without learning

        return audit(request)
    if args.walk_forward is None:
        why = "goes with --walk-forward, whose windows are trained apart: add it, or leave it out"
        refuse_flags(args, SPREADING_FLAGS, why)
    backend = asked_backend(args)
    if looked_for := asked_search(args):
        refuse_flags(args, ("fit_thresholds",), "does not go with --search, which looks for them")
        return _search(request, looked_for, args.walk_forward, backend)
    if args.walk_forward is None:
        refuse_flags(args, ("fit_thresholds",), "goes with --walk-forward: add it, or leave it out")
        return backtest(request)
    from engine.jobs.walk_forward import walk_forward  # a run starts without learning

    return walk_forward(request, args.walk_forward, backend)


def _search(
    request: RunRequest,
    asked: AskedSearch,
    windows: WindowSpec | None,
    backend: "Backend | None",
) -> Report:
    if windows is None:
        from engine.jobs.search import search  # a run starts without Optuna

        return search(request, asked)
    from engine.jobs.searching.walking import search_windows  # a run starts without Optuna

    return search_windows(request, asked, windows, backend)


def _run_plain(args: argparse.Namespace, settings: PlainSettings) -> Report:
    why = "needs a hybrid strategy, and this one is plain: leave it out"
    refuse_flags(args, ("walk_forward", "fit_thresholds", *SEARCH_FLAGS, *SPREADING_FLAGS), why)
    if args.audit:
        raise UsageError(f"--audit {why}")
    from engine.jobs.plain_backtest import plain_backtest  # few runs are of one

    return plain_backtest(plain_request(args, settings))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return answer(
        "run_backtest",
        args,
        _overrides(args),
        lambda settings: _run(args, settings),
        lambda settings: _run_plain(args, settings),
    )


if __name__ == "__main__":
    sys.exit(main())
