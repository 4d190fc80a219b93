#!/usr/bin/env python3
"""Trade on paper: live bars of an exchange, or a recording that stands in for one."""

import argparse
import sys
from collections.abc import Sequence

from engine.jobs.flags import Report, add_common_flags, answer, command_parser
from engine.jobs.live.flags import (
    add_paper_flags,
    paper_overrides,
    paper_request,
    refuse_flags_of_a_session,
)
from engine.jobs.live.parity import parity
from engine.jobs.live.status import status
from engine.jobs.opening import add_open_flag
from engine.jobs.paper import trade_on_paper
from engine.jobs.settings import Settings

EXAMPLES = """\
  run_paper.py --symbols BTC/USDT,ETH/USDT --dashboard 127.0.0.1:8787
      live on Binance's public bars, until Ctrl-C; the same command goes on where it stopped
  run_paper.py --rehearse BTC-USDT_1m.parquet --speed 60
      the same, on a recording that a stand-in exchange replays
  run_paper.py --status paper.sqlite
  run_paper.py --parity paper.sqlite
      decide again and price again all that the session did; exit code 1 if anything is unexplained
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the flags of the command."""
    parser = command_parser(__doc__ or "", EXAMPLES, {"--data": "--rehearse"})
    add_paper_flags(parser)
    add_open_flag(parser)
    add_common_flags(parser)
    parser.set_defaults(offline="--rehearse FILE plays a recording, or bars in a file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = make_parser().parse_args(argv)
    return answer("run_paper", args, paper_overrides(args), lambda settings: _made(args, settings))


def _made(args: argparse.Namespace, settings: Settings) -> Report:
    if args.status is not None:
        refuse_flags_of_a_session(args, "--status")
        return status(args.status)
    if args.parity is not None:
        refuse_flags_of_a_session(args, "--parity")
        return parity(args.parity, settings.members)
    return trade_on_paper(paper_request(args, settings))


if __name__ == "__main__":
    sys.exit(main())
