"""Trade on paper, bar by bar; for now from a recording that stands in for the live feed."""

import argparse
import sys
from collections.abc import Sequence

from engine.jobs.bar_flags import add_bar_flags
from engine.jobs.flags import add_common_flags, answer, command_parser
from engine.jobs.paper import rehearse
from engine.jobs.run_request import add_run_flags, run_overrides, run_request
from engine.jobs.serving import MLMode

EXAMPLES = """\
  run_paper.py --rehearse BTC-USDT_5m.parquet
  run_paper.py --rehearse BTC-USDT_5m.csv ETH-USDT_5m.csv --ml on --model models/mine --json
  run_paper.py --symbols BTC/USDT --days 7
      a recording of the last week, from the store
"""

ML_DEFAULT = "auto (default): ML if a bundle loads, else loudly without"


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__ or "", EXAMPLES)
    add_bar_flags(parser, "--rehearse")
    add_run_flags(parser, [mode for mode in MLMode if mode is not MLMode.COMPARE], ML_DEFAULT)
    add_common_flags(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    return answer(
        "run_paper",
        args,
        run_overrides(args),
        lambda settings: rehearse(run_request(args, settings)),
    )


if __name__ == "__main__":
    sys.exit(main())
