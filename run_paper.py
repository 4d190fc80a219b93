"""Trade on paper, bar by bar; for now from a recording that stands in for the live feed."""

import argparse
import sys
from collections.abc import Sequence

from engine.jobs.command import add_file_flags, command_parser
from engine.jobs.paper import rehearse
from engine.jobs.request import add_run_flags, serve
from engine.jobs.serving import MLMode

EXAMPLES = """\
  run_paper.py --rehearse BTC-USDT_5m.parquet
  run_paper.py --rehearse BTC-USDT_5m.csv ETH-USDT_5m.csv --ml on --model models/mine --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_file_flags(parser, "--rehearse", required=True)
    add_run_flags(parser)
    parser.add_argument(
        "--ml",
        type=MLMode,
        choices=[MLMode.AUTO, MLMode.ON, MLMode.OFF],
        help="auto (default): ML if a bundle loads, else loudly without",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return serve("run_paper", _parser().parse_args(argv), rehearse)


if __name__ == "__main__":
    sys.exit(main())
