"""Show a run that was kept: in short, one decision in full, made again, or beside another run."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.jobs.flags import add_output_flags, command_parser, tell
from engine.jobs.show import Shown, show

EXAMPLES = """\
  show_run.py last
      how the latest run below runs/ was made, what it came to, and what flatters it
  show_run.py runs/20240131T180000Z-41103555 --why BTC/USDT 2024-03-05T10:05
      one bar's decision in full; the time is that of the decision, when the bar closed, in UTC
  show_run.py last --rerun
      the run made again from its folder, and what differs; 0 if nothing does, else 1
  show_run.py last --diff runs/20240131T180000Z-41103555 --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    parser.usage = "%(prog)s RUN [flags]"
    parser.add_argument("run", metavar="RUN", help="the folder of a run, or last")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--why", nargs=2, metavar=("SYMBOL", "TIME"), help="what was decided there, and why"
    )
    asked.add_argument(
        "--rerun", action="store_true", help="repeat the run and say what differs; may take minutes"
    )
    asked.add_argument("--diff", metavar="RUN2", help="what is other in another run, or in last")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", default=Path("runs"), help="where last is looked for"
    )
    add_output_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    asked = Shown(run=args.run, out=args.out, why=args.why, rerun=args.rerun, diff=args.diff)
    return tell("show_run", args, lambda: show(asked))


if __name__ == "__main__":
    sys.exit(main())
