"""A bundle that is asked bar by bar, and watched while it answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from engine.jobs.as_trained import as_trained
from engine.jobs.live.drift_watch import DriftWatch
from engine.jobs.live.outcomes import BarsOf, Outcomes, Said, bars_between
from engine.jobs.settings import Settings
from engine.jobs.training_rows import asked_facts
from feeds.bars import Bars, FloatArray
from feeds.messages import shown
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.errors import BundleMismatchError
from ml.prediction import Prediction, Unavailable


class WatchedAnalyzer:
    """Asks an analyzer, and compares what it is asked and answers with its references.

    Rows are taken note of once each, in the order of their decisions. A bundle that says nothing of
    what is usual, or says it of other rows than those that the run asks about, is not watched.

    Parameters
    ----------
    settings : of the run
    bars_of : the session's bars

    Attributes
    ----------
    unwatched : why drift is not watched; None if it is
    """

    def __init__(
        self, analyzer: Analyzer, settings: Settings, timeframe: Timeframe, bars_of: BarsOf
    ) -> None:
        self.analyzer = analyzer
        self.unwatched = why_unwatched(analyzer, settings)
        self._settings = settings
        self._bar = timeframe.delta
        self._bars_of = bars_of
        self._latest: dict[str, np.datetime64] = {}
        references = analyzer.bundle.manifest.references
        if self.unwatched is None and references is not None:
            trained = as_trained(settings, analyzer.bundle.manifest)
            self._watch = DriftWatch(references, analyzer.bundle.ensemble.base_rate)
            self._outcomes = Outcomes(trained, timeframe, bars_of)

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        features = self.analyzer.features_of(window)
        opinion = self.analyzer.answer(window, np.array([len(window) - 1]), features).at(0)
        if isinstance(opinion, Prediction):
            said = Said(window.symbol, window.closed_at[-1], opinion.probability)
            self._see(said, features[-1].astype(np.float64))
        return opinion

    def drift(self, now: np.datetime64) -> str | None:
        """Return in words what has drifted past the limits by now; None if nothing has."""
        if self.unwatched is not None:
            return None
        for settled in self._outcomes.settled(now):
            self._watch.settle(settled)
        return self._watch.verdict()

    def restore(self, rows: Iterable[Mapping[str, Any]], now: np.datetime64) -> None:
        """Take note of answers that an earlier process gave; features are reckoned again.

        Parameters
        ----------
        rows : of the journal, in order
        now : what bars and outcomes are known
        """
        said = [
            Said(row["symbol"], row["decided_at"], row["probability"])
            for row in rows
            if row["ml"] == "answered"
        ]
        if self.unwatched is not None or not said:
            return
        symbols = dict.fromkeys(each.symbol for each in said)
        features = {symbol: self._features(symbol, said, now) for symbol in symbols}
        for each in said:
            row = features[each.symbol].get(each.decided_at)
            if row is not None:
                self._see(each, row)

    def _see(self, said: Said, features: FloatArray) -> None:
        latest = self._latest.get(said.symbol)
        if self.unwatched is None and (latest is None or latest < said.decided_at):
            self._latest[said.symbol] = said.decided_at
            self._watch.see(features, said.probability)
            self._outcomes.wait_for(said)

    def _features(
        self, symbol: str, said: Sequence[Said], now: np.datetime64
    ) -> dict[np.datetime64, FloatArray]:
        """Return the features of the symbol's rows, by decision."""
        decided = [each.decided_at for each in said if each.symbol == symbol]
        back = bars_between(min(decided), now, self._bar) + self._settings.strategy.warmup_bars
        bars = self._bars_of(symbol, back + 1)
        matrix = self.analyzer.features_of(bars)
        ready = np.isin(bars.closed_at, decided) & (bars.bars_before() >= self.analyzer.lookback)
        return {
            bars.closed_at[row]: matrix[row].astype(np.float64)
            for row in np.flatnonzero(ready).tolist()
        }


def why_unwatched(analyzer: Analyzer, settings: Settings) -> str | None:
    """Return why the bundle cannot be watched in this run; None if it can."""
    manifest = analyzer.bundle.manifest
    if manifest.references is None:
        from ml.training.references import LEAST_ROWS  # it loads SciPy, for this sentence alone

        return (
            "its manifest does not say what is usual: it was trained on fewer than "
            f"{LEAST_ROWS:,} decisive bars, or by a version that did not measure it"
        )
    now, then = asked_facts(settings.strategy), manifest.references.asked
    for key in sorted({*now, *then}):
        if now.get(key) != then.get(key):
            return (
                f"what is usual was measured on rows asked about with {key} = "
                f"{shown(then.get(key))}, this run has {shown(now.get(key))}"
            )
    try:
        as_trained(settings, manifest)
    except BundleMismatchError as error:
        return str(error)
    return None
