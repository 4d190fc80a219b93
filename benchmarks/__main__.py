"""Our own speed, on simulated one-minute bars: `python -m benchmarks [WHAT …]`.

Seconds do not travel between machines; ratios and orders of magnitude do. Tables are Markdown.

engine    CPU per idle bar and per trade; over more bars and more symbols
memory    peak of a run, and whether many runs in one process keep more
ml        a run with the ensemble beside one without, and asking row by row
live      closed bar to decision, on one stream and on fifty at once
features  evidence and features, all bars at once and on a trailing window
sweep     a thousand parameter sets on one market, by one thread and by all
training  two years of 5-minute bars of six symbols at the defaults: minutes, only if named
report    the page of a run: making it beside the run, its size, a browser drawing it; only if named
scale     one run over more symbols and more years: CPU a bar and peak memory; only if named
soak      a paper session for many hours: memory, lateness, bars lost; only if named

`ml`, `live`, `report` and `soak` ask an ensemble that is trained at the defaults the first time
(minutes), and kept.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from benchmarks import (
    engine_cost,
    features_cost,
    live_latency,
    memory_cost,
    ml_cost,
    report_cost,
    scale,
    soak,
    sweep_rate,
    training_cost,
)
from benchmarks.ensemble import DEFAULT_FOLDER, analyzer_in, market, settings_in

FEWEST_DAYS = 10  # enough for a warm-up and candidates after it
DAY = 1440  # bars
LONGEST = 4  # times the usual market: the longest run of the engine
STREAMED = 20  # the usual market over the bars that are streamed

Measure: TypeAlias = Callable[[argparse.Namespace], str]


def _engine(args: argparse.Namespace) -> str:
    symbols = len(engine_cost.COINS)
    return engine_cost.report(LONGEST * args.days * DAY, symbols, args.rounds)


def _memory(args: argparse.Namespace) -> str:
    return memory_cost.report(args.days * DAY)


def _ml(args: argparse.Namespace) -> str:
    bars, analyzer = market(args.days), analyzer_in(args.bundle)
    return ml_cost.report(bars, settings_in(args.bundle), analyzer, args.rounds)


def _live(args: argparse.Namespace) -> str:
    bars, analyzer = market(args.days), analyzer_in(args.bundle)
    moments = len(bars) // STREAMED
    return live_latency.report(bars, settings_in(args.bundle), analyzer, moments)


def _features(args: argparse.Namespace) -> str:
    return features_cost.report(market(args.days), args.rounds)


def _training(args: argparse.Namespace) -> str:
    symbols = len(training_cost.SYMBOLS)
    return training_cost.report(2 * args.days, symbols, preset="full")


def _report(args: argparse.Namespace) -> str:
    bars, analyzer = market(args.days), analyzer_in(args.bundle)
    return report_cost.report(bars, settings_in(args.bundle), analyzer, args.rounds)


def _sweep(args: argparse.Namespace) -> str:
    return sweep_rate.report(market(args.days), args.rounds)


def _soak(args: argparse.Namespace) -> str:
    return soak.report(args.hours, args.speed, args.symbols, args.bundle)


def _scale(args: argparse.Namespace) -> str:
    return scale.report(args.days, scale.SYMBOLS, scale.YEARS, args.plot)


QUICK: Mapping[str, Measure] = {
    "features": _features,
    "engine": _engine,
    "memory": _memory,
    "ml": _ml,
    "live": _live,
    "sweep": _sweep,
}
ALL: Mapping[str, Measure] = {
    **QUICK,
    "training": _training,
    "report": _report,
    "scale": _scale,
    "soak": _soak,
}


def length(text: str) -> int:
    """Read the length of the market in days."""
    days = int(text)
    if days < FEWEST_DAYS:
        raise argparse.ArgumentTypeError(f"must be {FEWEST_DAYS} or more, found {days}")
    return days


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("what", nargs="*", metavar="WHAT", help=", ".join(ALL))
    made.add_argument("--days", type=length, default=365, help="length of the market, 1m bars")
    made.add_argument("--bundle", type=Path, default=DEFAULT_FOLDER, help="the ensemble's folder")
    made.add_argument("--rounds", type=int, default=3, choices=range(1, 21), metavar="1..20")
    made.add_argument("--plot", type=Path, help="where `scale` writes its picture, as SVG")
    made.add_argument("--hours", type=float, default=24.0, help="of the soak, in market time")
    made.add_argument("--speed", type=float, default=30.0, help="of the soak, times real time")
    made.add_argument("--symbols", type=int, default=100, help="of the soak")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    reader = parser()
    args = reader.parse_args(argv)
    for name in args.what:
        if name not in ALL:
            reader.error(f"WHAT must be of {', '.join(ALL)}; found {name}")
    for name in args.what or QUICK:
        print(ALL[name](args), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
