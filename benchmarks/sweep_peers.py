"""Our sweep beside vectorbt, on one grid: `python -m benchmarks.sweep_peers PEERS [--envs DIR]`.

PEERS and `--envs` are those of `benchmarks.peers`; the scripts of the grid are `peer_grid.py` and
`peer_grid_vectorbt.py` in this folder. Every set must make the same trades on both, except for
vectorbt's `order_func`, which cannot leave a position on the bar of its entry.

Processes run one at a time, in interleaved rounds. Seconds are those of CPU, all threads together,
of the sweep alone: compiled before, imports and evidence done. Ours gives the figures of each set,
vectorbt its orders. The ratios within a round travel; the seconds do not.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose
from pathlib import Path
from statistics import median
from typing import TypeAlias

from benchmarks.peers import (
    DEFAULT_ENVS,
    LENGTHS,
    ROOT,
    Outcome,
    Peer,
    PeersError,
    Place,
    measured,
    note,
    ready,
)
from engine.tables import rendered, table

OURS = Peer("tandem", "peer_grid", "", "", "")
SAME = Peer("vectorbt, flexible", "peer_grid_vectorbt", "flexible", "vbt", "vectorbt")
LIGHTER = Peer("vectorbt, order_func", "peer_grid_vectorbt", "order_func", "vbt", "vectorbt")
EVERY_ROUND = (OURS, SAME, LIGHTER)
SETS = 100

Round: TypeAlias = Mapping[Peer, Outcome]


@dataclass(frozen=True, slots=True)
class GridPlace(Place):
    """Where the environments and bars are, and how many sets the grid has."""

    sets: int = SETS

    def command(self, peer: Peer, bars: int) -> list[str]:
        script = ROOT / "benchmarks" / f"{peer.script}.py"
        variant = [peer.variant] if peer.variant else []
        return [str(self.python(peer)), str(script), str(bars), str(self.sets), *variant]


def rounds_of(place: GridPlace, bars: int, rounds: int) -> list[Round]:
    """Return the outcomes of each round; ours comes first, it leaves the grid for the others."""
    done: list[Round] = []
    for number in range(1, rounds + 1):
        outcomes = {peer: measured(place, peer, bars) for peer in EVERY_ROUND}
        refuse_another_grid(outcomes)
        done.append(outcomes)
        note(f"round {number} of {rounds} is done")
    return done


def refuse_another_grid(outcomes: Round) -> None:
    """Raise `PeersError` where vectorbt did not trade what we did."""
    ours, same = outcomes[OURS], outcomes[SAME]
    if same.trades != ours.trades or not isclose(same.equity, ours.equity, rel_tol=1e-9):
        raise PeersError(
            f"{SAME.name} must make {ours.trades} trades and end at {ours.equity:,.4f}, found "
            f"{same.trades} and {same.equity:,.4f}"
        )


def comparison(rounds: Sequence[Round], sets: int) -> str:
    """Return medians over the rounds, and medians of the ratios within each, as a table."""
    shown = table("sweep", "CPU s", "ms a set", "times ours", "peak MB", "trades", "equity")
    for peer in EVERY_ROUND:
        own = [each[peer] for each in rounds]
        shown.add_row(
            peer.name,
            f"{median(o.run for o in own):.2f}",
            f"{median(o.run for o in own) / sets * 1e3:.2f}",
            f"{median(ratios(rounds, peer)):.1f}",
            f"{median(o.peak_mb for o in own):.0f}",
            f"{own[-1].trades:,}",
            f"{own[-1].equity:,.2f}",
        )
    return rendered(shown)


def ratios(rounds: Sequence[Round], peer: Peer) -> list[float]:
    """Return how many times our seconds a peer took in each round."""
    return [each[peer].run / each[OURS].run for each in rounds]


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.sweep_peers", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("peers", type=Path, metavar="PEERS", help="folder of the peers' scripts")
    made.add_argument("--envs", type=Path, default=DEFAULT_ENVS, help="environments and bars")
    made.add_argument("--bars", type=int, default=max(LENGTHS), choices=LENGTHS)
    made.add_argument("--sets", type=int, default=SETS)
    made.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="1..20")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = parser().parse_args(argv)
    place = GridPlace(args.peers.resolve(), args.envs.resolve(), args.sets)
    try:
        ready(place, EVERY_ROUND)
        rounds = rounds_of(place, args.bars, args.rounds)
    except PeersError as error:
        print(f"sweep-peers: {error}", file=sys.stderr)
        return 1
    print(
        f"{args.sets:,} sets on {args.bars:,} one-minute bars; medians of {args.rounds} "
        "interleaved rounds\n"
    )
    print(comparison(rounds, args.sets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
