"""Trade on paper, bar by bar; for now from a recording that stands in for the live feed."""

import argparse
import sys
from collections.abc import Sequence

from engine.jobs.flags import (
    add_file_flags,
    add_settings_flags,
    answer,
    command_parser,
    needs_files,
)
from engine.jobs.paper import rehearse
from engine.jobs.run_request import add_run_flags, run_overrides, run_request
from engine.jobs.serving import MLMode

EXAMPLES = """\
  run_paper.py --rehearse BTC-USDT_5m.parquet
  run_paper.py --rehearse BTC-USDT_5m.csv ETH-USDT_5m.csv --ml on --model models/mine --json
"""


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_settings_flags(parser)
    add_file_flags(parser, "--rehearse")
    add_run_flags(parser)
    parser.add_argument(
        "--ml",
        choices=[mode.value for mode in MLMode if mode is not MLMode.COMPARE],
        help="auto (default): ML if a bundle loads, else loudly without",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    needs_files(parser, args, "--rehearse")
    return answer(
        "run_paper",
        args,
        run_overrides(args),
        lambda settings: rehearse(run_request(args, settings)),
    )


if __name__ == "__main__":
    sys.exit(main())
