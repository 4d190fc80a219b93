#!/usr/bin/env python3
"""Show a run that was kept: in short, one decision in full, made again, or beside another run.

Or list all of them, or write one for other tools.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import UsageError
from engine.jobs.flags import Report, add_output_flags, command_parser, tell
from engine.jobs.opening import add_open_flag
from engine.jobs.settings import load_any_settings
from engine.jobs.show import Shown, show

EXAMPLES = """\
  show_run.py --list
      every run below runs/, newest first
  show_run.py last
      how the latest run below runs/ was made, what it came to, and what flatters it
  show_run.py runs/20240131T180000Z-41103555 --why BTC/USDT 2024-03-05T10:05
      one bar's decision in full; the time is that of the decision, when the bar closed, in UTC
  show_run.py last --why BTC/USDT 2024-03-05
      every candidate bar of that day, in short
  show_run.py last --rerun
      the run made again from its folder, and what differs; 0 if nothing does, else 1
  show_run.py last --diff runs/20240131T180000Z-41103555 --json
  show_run.py last --open
      its page in the browser
  show_run.py last --export-trades trades.json
      its trades under freqtrade's names (docs/exports.md)
  show_run.py last --export-returns returns.csv
      its daily returns, as quantstats reads them
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(__doc__ or "", EXAMPLES)
    parser.usage = "%(prog)s RUN [flags]\n       %(prog)s --list [flags]"
    parser.add_argument("run", metavar="RUN", nargs="?", help="the folder of a run, or last")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--list", action="store_true", help="all runs below --out, newest first")
    asked.add_argument(
        "--why",
        nargs=2,
        metavar=("SYMBOL", "TIME"),
        help="what was decided then, or on that day, and why",
    )
    asked.add_argument(
        "--rerun", action="store_true", help="repeat the run and say what differs; may take minutes"
    )
    asked.add_argument("--diff", metavar="RUN2", help="what is other in another run, or in last")
    _add_export_flags(asked)
    add_open_flag(asked)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("runs"),
        help="where runs are listed and last is looked for; default: runs",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.toml",
        help="for --rerun: names the members of your own whose code may be run",
    )
    add_output_flags(parser)
    return parser


def _add_export_flags(asked: argparse._ActionsContainer) -> None:
    asked.add_argument(
        "--export-trades",
        type=Path,
        metavar="FILE",
        help="write its trades to FILE.csv or FILE.json, under freqtrade's names",
    )
    asked.add_argument(
        "--export-returns",
        type=Path,
        metavar="FILE.csv",
        help="write its daily returns, a column each for ML-off and ML-on",
    )


def _shown(args: argparse.Namespace) -> Report:
    if args.list and args.run is not None:
        raise UsageError(f"--list shows all runs, and {args.run} was named: drop one of them")
    if not args.list and args.run is None:
        raise UsageError("name the folder of a run, or last; --list shows what there is")
    if args.config is not None and not args.rerun:
        raise UsageError("--config names whose code --rerun may run: give both, or neither")
    return show(
        Shown(
            run=args.run,
            out=args.out,
            why=args.why,
            rerun=args.rerun,
            members={} if args.config is None else load_any_settings(args.config).members,
            diff=args.diff,
            export_trades=args.export_trades,
            export_returns=args.export_returns,
        )
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return tell("show_run", args, lambda: _shown(args))


if __name__ == "__main__":
    sys.exit(main())
