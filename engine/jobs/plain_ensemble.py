"""The ensemble of a plain strategy, which answers before the bars pass and is heard bar by bar."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from engine.errors import RunError
from engine.jobs.markets import Market
from feeds.bars import Bars, BoolArray, IntArray
from feeds.moments import readable
from ml.prediction import Prediction, Unavailable
from strategies.views import OpinionSource, OpinionTable

Where: TypeAlias = Callable[[Bars], BoolArray]

CUTS = 12  # moments after which `where` is shown nothing


@dataclass(frozen=True, slots=True, eq=False)
class EnsembleAhead:
    """Asks in one batch about all bars that an indicator will ask about one by one.

    An opinion rests on its bar and earlier ones, so it may be reckoned early; one by one takes some
    hundred times as long. Whoever asks otherwise than through the indicator is answered at once.

    Parameters
    ----------
    markets : of the run
    ensemble : that answers
    checks : whether `where` is tried on bars that end earlier; a repeated run need not
    """

    markets: Sequence[Market]
    ensemble: OpinionSource
    checks: bool

    def ahead(self, symbol: str, where: Where | None) -> Mapping[int, Prediction | Unavailable]:
        """Return the opinions on the bars of a symbol, by the bar's position as feeds count it.

        Raises
        ------
        RunError
            if `where` looks ahead
        """
        market = next(each for each in self.markets if each.bars.symbol == symbol)
        asked = asked_where(market.bars, where)
        if self.checks and where is not None:
            _check(market, where, asked)
        asked[: market.first] = False
        rows = np.flatnonzero(asked)
        table = self.ensemble.predict(market.bars, rows)
        return {bar: table.at(place) for place, bar in enumerate(rows.tolist())}

    def predict(self, bars: Bars, rows: IntArray) -> OpinionTable:
        """Return the opinions on the bars at `rows`."""
        return self.ensemble.predict(bars, rows)

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        return self.ensemble.predict_last(window)


def asked_where(bars: Bars, where: Where | None) -> BoolArray:
    """Return True for the bars to ask about: all where nothing says which."""
    return np.ones(len(bars), np.bool_) if where is None else np.array(where(bars))


def _check(market: Market, where: Where, asked: BoolArray) -> None:
    """Refuse a `where` that says otherwise of a bar when the bars after it are not there."""
    bars = market.bars
    if not asked.any():
        return
    rng = np.random.default_rng(0)
    wanted = np.flatnonzero(asked)
    drawn = rng.choice(wanted, min(CUTS // 2, len(wanted)), replace=False)
    others = rng.integers(market.first, len(bars), CUTS - len(drawn))
    for row in np.sort(np.concatenate([drawn, others])).tolist():
        alone = asked_where(bars[: row + 1], where)
        wrong = np.flatnonzero(alone != asked[: row + 1])
        if len(wrong):
            at = int(wrong[0])
            raise RunError(
                f"where= of MLEnsemble looks ahead: of the bar of {bars.symbol} that closed at "
                f"{readable(bars.closed_at[at])} it says {asked[at]}, and {alone[at]} without the "
                f"bars after {readable(bars.closed_at[row])}; let it rest on each bar and earlier "
                "ones alone"
            )
