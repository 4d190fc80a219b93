"""What other exits would have done for the strategy's entries, without ML and one entry at a time.

    python -m benchmarks.exit_grid FILE [FILE …] [--end-date DATE]

Every bar whose technical score is an entry is traded with every exit of the grid, by the rule that
label and broker share; the table shows the best and the worst mean net return per trade.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from engine.jobs.markets import BarFiles
from engine.jobs.settings import Settings
from engine.tables import rendered, table
from feeds.bars import Bars, FloatArray
from feeds.exits import Exits, first_exit, next_fill_bar, range_at
from feeds.moments import parse_utc
from strategies.config import ExitRules
from strategies.evidence import candidates, evidence_table
from strategies.scoring import technical_scores

SETTINGS = Settings()
SHOWN = 8


def grid() -> Iterator[ExitRules]:
    """Yield the exits to try."""
    for target, stop, bars in product(
        (0.5, 0.75, 1.0, 1.5, 2.0), (0.5, 1.0, 1.5, 2.0), (5, 12, 48)
    ):
        yield ExitRules(unit="percent", take_profit=target, stop_loss=stop, max_bars=bars)
    for target, stop, bars in product((1.0, 2.0, 3.0, 4.0), (1.0, 2.0, 3.0), (5, 12, 48)):
        yield ExitRules(unit="atr", take_profit=target, stop_loss=stop, max_bars=bars)


def net_returns(bars: Bars, rules: Sequence[ExitRules]) -> list[FloatArray]:
    """Return for each of the exits the net return of every entry."""
    config = SETTINGS.strategy
    seen = evidence_table(bars, config)
    enough = technical_scores(seen, config.points) >= config.min_entry_score
    fill_bar = next_fill_bar(bars)
    decided = np.flatnonzero(candidates(seen, config) & enough & (fill_bar >= 0))
    atr = seen.values["atr_fraction"][decided]
    return [_returns(bars, fill_bar[decided], atr, each) for each in rules]


def _returns(bars: Bars, entry: np.ndarray, atr: FloatArray, rules: ExitRules) -> FloatArray:
    costs, away = SETTINGS.costs, rules.fractions(atr)
    paid = costs.bought_at(bars.open[entry], range_at(bars, entry))
    count = len(entry)
    ended = first_exit(
        bars,
        entry,
        Exits(
            target=paid * (1.0 + away.target),
            stop=paid * (1.0 - away.stop),
            trail=np.zeros(count),
            max_bars=np.full(count, rules.max_bars),
        ),
    )
    received = ended.received(bars, costs)
    return np.asarray((received * (1.0 - costs.fee) - paid * (1.0 + costs.fee)) / paid)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.exit_grid", description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--end-date", dest="until", type=parse_utc, metavar="DATE")
    args = parser.parse_args(argv)
    rules = list(grid())
    markets = BarFiles(tuple(args.files)).read(SETTINGS.data)
    known = [bars if args.until is None else bars.known_at(args.until) for bars in markets]
    tried = [net_returns(bars, rules) for bars in known]
    returns = [np.concatenate(each) for each in zip(*tried, strict=True)]
    order = np.argsort([-each.mean() for each in returns])
    shown = table("Exits: target / stop / bars", "Entries", "Win rate", "Mean net return")
    for place in [*order[:SHOWN], *order[-2:], rules.index(ExitRules())]:
        exits, found = rules[place], returns[place]
        name = f"{exits.take_profit} / {exits.stop_loss} {exits.unit} / {exits.max_bars}"
        wins, mean = f"{(found > 0).mean():.1%}", f"{found.mean():.3%}"
        shown.add_row(name, f"{len(found):,}", wins, mean)
    print(rendered(shown))
    return 0


if __name__ == "__main__":
    sys.exit(main())
