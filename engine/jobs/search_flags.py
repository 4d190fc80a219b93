"""The flags of a search."""

import argparse
from pathlib import Path
from typing import Any

from engine.jobs.flags import refuse_flags, whole_number
from engine.jobs.searching.asked import TRIALS, AskedSearch
from engine.jobs.searching.trial import Objective

NAMES = ("search", "trials", "objective", "storage")
_MOST_TRIALS = 1_000_000


def add_search_flags(group: Any) -> None:
    """Add the flags of a search."""
    group.add_argument(
        "--search",
        type=Path,
        metavar="SPACE.toml",
        help="try many settings on the same bars and run the best; says how flattered it is "
        "(docs/search.md)",
    )
    group.add_argument(
        "--trials",
        type=_trials,
        metavar="N",
        help=f"sets to try; default {TRIALS}, of a grid all",
    )
    group.add_argument(
        "--objective",
        choices=[each.value for each in Objective],
        help=f"by which figure sets are compared; default {Objective.EXPECTANCY.value}",
    )
    group.add_argument(
        "--storage",
        metavar="URL",
        help="where trials are kept, to go on later or from several machines: sqlite:///FILE, "
        "postgresql://… or journal:FILE; default: a file below --out",
    )


def asked_search(args: argparse.Namespace) -> AskedSearch | None:
    """Return the search that the flags ask for; None for none."""
    if args.search is None:
        refuse_flags(args, NAMES[1:], "goes with --search: add it, or leave it out")
        return None
    objective = Objective.EXPECTANCY if args.objective is None else Objective(args.objective)
    return AskedSearch(
        space=args.search, trials=args.trials, objective=objective, storage=args.storage
    )


def _trials(text: str) -> int:
    count = whole_number(text)
    if not 1 <= count <= _MOST_TRIALS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {_MOST_TRIALS:,}, found {text}")
    return count
