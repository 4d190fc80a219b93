"""The ensemble of a live session: the bundle in force, exchanged and given up at bar boundaries.

Between two boundaries nothing changes: all that is decided at one moment is asked of one bundle.

1. A version that has come in force since is loaded, checked as at the start of a run and asked
   about a simulated market. On any doubt the old one stays, which an event says once; the same
   version is looked at again every `RETRY`, for its files may still be on their way.
2. What the ensemble is asked about is watched for drift (`engine.jobs.live.drift_watch`). Past a
   limit all answers are `Unavailable("drift: …")`, until another version comes in force.
"""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.jobs.live.outcomes import BarsOf
from engine.jobs.live.watched import WatchedAnalyzer
from engine.jobs.serving import serving_analyzer
from engine.jobs.settings import Settings
from engine.paper.health import SHORT_DIGEST, told_ml
from engine.paper.records import Event
from feeds.bars import Bars
from feeds.messages import first_line, one_line
from feeds.moments import readable
from feeds.synthetic import synthetic_bars
from feeds.timeframe import Timeframe
from ml.analyzer import Analyzer
from ml.bundle_folder import name_in_force
from ml.drift import STRETCH
from ml.errors import BundleError, InSampleError
from ml.prediction import Prediction, Unavailable
from strategies.views import NoEnsemble, OpinionTable

log = logging.getLogger("tandem.ml")

RETRY = np.timedelta64(10, "m")  # of market time
DRIFT = "drift: "

RESTORED = 3 * STRETCH  # answers; more can only matter where most of them have no label
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A version that is not taken, and when it is looked at again."""

    version: str
    again: np.datetime64


class LiveEnsemble:
    """Asks the bundle in force; its answers change at `refresh` and nowhere else.

    Parameters
    ----------
    settings : of the run; they name the bundle
    first : who is asked at the start
    bars_of : the session's bars, of which labels and features are reckoned
    """

    def __init__(
        self,
        settings: Settings,
        timeframe: Timeframe,
        first: Analyzer | NoEnsemble,
        bars_of: BarsOf,
    ) -> None:
        self._settings = settings
        self._timeframe = timeframe
        self._bars_of = bars_of
        self._begun = False
        self._refused: _Refusal | None = None
        self._version = ""
        self._asked: WatchedAnalyzer | NoEnsemble
        self._asked = first if isinstance(first, NoEnsemble) else self._taken(first)

    @property
    def state(self) -> str:
        """The digest of the bundle that answers, or in words why none does."""
        asked = self._asked
        return asked.reason if isinstance(asked, NoEnsemble) else asked.analyzer.digest

    @property
    def answers(self) -> bool:
        """Whether there is a bundle that answers."""
        return not isinstance(self._asked, NoEnsemble)

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on the last bar of a trailing window."""
        return self._asked.predict_last(window)

    def predict(self, bars: Bars, rows: np.ndarray) -> OpinionTable:
        """Return the opinion on the bars at `rows`, which are not watched: no live bars come so."""
        asked = self._asked
        return (asked if isinstance(asked, NoEnsemble) else asked.analyzer).predict(bars, rows)

    def refresh(self, now: np.datetime64) -> tuple[Event, ...]:
        """Look for a new version and for drift, before anything is asked at a bar's close.

        Parameters
        ----------
        now : when the bars closed that are to be decided on
        """
        opening = None if self._begun else self._opening(now)
        event = self._exchange(now) or self._give_up(now)
        return tuple(each for each in (opening, event) if each is not None)

    def restore(
        self, moments: Iterable[tuple[np.datetime64, str]], rows: Iterable[Mapping[str, Any]]
    ) -> None:
        """Take up the watch where an earlier process left it, before the first `refresh`.

        The last answers of the bundle in force count as if they had just been given: their features
        and outcomes are reckoned again from the session's bars, their probabilities are those of
        the journal. If the bundle was given up it stays so.

        Parameters
        ----------
        moments : when each closed, and `state` as it was then, oldest first
        rows : of the journal, oldest first; none but the last RESTORED that were answered count
        """
        if isinstance(self._asked, NoEnsemble):
            return
        own: set[np.datetime64] = set()
        now, last = None, ""
        for now, last in moments:
            if last == self.state:
                own.add(now)
            elif _DIGEST.fullmatch(last):
                own.clear()
        if DRIFT in last and _short(self.state) in last:
            self._asked = NoEnsemble(last)
        elif now is not None:
            asked = [row for row in rows if row["decided_at"] in own]
            answered = [row for row in asked if row["ml"] == "answered"]
            self._asked.restore(answered[-RESTORED:], now)

    # ---------------------------------------------------------------- versions

    def _taken(self, analyzer: Analyzer) -> WatchedAnalyzer:
        self._version = analyzer.bundle.kept.version.name
        self._refused = None
        return WatchedAnalyzer(analyzer, self._settings, self._timeframe, self._bars_of)

    def _opening(self, now: np.datetime64) -> Event:
        self._begun = True
        if isinstance(self._asked, NoEnsemble):
            # The run has looked at the version in force, and said what is wrong with it: the record
            # and the webhook are still to be told, the log is not.
            reason = self._asked.reason
            self._refused = _Refusal(self._in_force(), now + RETRY)
            return _event(now, "ml_dropped", f"trading without ML: {reason}")
        unwatched = self._asked.unwatched is not None
        return _told(now, "ml_bundle", f"asking {_described(self._asked)}", loud=unwatched)

    def _exchange(self, now: np.datetime64) -> Event | None:
        name, refused = self._in_force(), self._refused
        if name == self._version:
            self._refused = None
            return None
        if refused is not None and refused.version == name and now < refused.again:
            return None
        found = self._tried(now)
        if isinstance(found, str):
            self._refused = _Refusal(name, now + RETRY)
            if refused is not None and refused.version == name:
                return None
            return _told(now, "ml_bundle", f"{_STAYS}: {found}", loud=True)
        before, self._asked = self.state, self._taken(found)
        return _told(
            now, "ml_bundle", f"asking {_described(self._asked)}; before: {told_ml(before)}"
        )

    def _in_force(self) -> str:
        try:
            return name_in_force(self._settings.strategy.ml_model_path)
        except OSError:  # loading it will say what is wrong
            return ""

    def _tried(self, now: np.datetime64) -> Analyzer | str:
        """Return the analyzer of the version in force, or what speaks against taking it."""
        try:
            analyzer = serving_analyzer(self._settings, self._timeframe)
            self._doubt(analyzer, now)
        except Exception as error:  # noqa: BLE001  whatever a new bundle does, the session goes on
            return first_line(error)
        return analyzer

    def _doubt(self, analyzer: Analyzer, now: np.datetime64) -> None:
        """Raise what speaks against a bundle that would serve at the start of a run."""
        if analyzer.seen_until > now:
            raise InSampleError(
                f"a bundle must not know what is still to come, it has seen data until "
                f"{readable(analyzer.seen_until)} and the session is at {readable(now)}"
            )
        opinion = analyzer.predict_last(_probe(self._timeframe, analyzer.lookback + 1))
        if isinstance(opinion, Unavailable):
            raise BundleError(f"a bundle must answer, on a simulated market it says: {opinion}")
        lost = opinion.left_out.keys() - self._left_out()
        if lost:
            name = min(lost)
            raise BundleError(f"all members must answer, {name} does not: {opinion.left_out[name]}")

    def _left_out(self) -> set[str]:
        """Return the members that do not answer as it is."""
        asked = self._asked
        return (
            set() if isinstance(asked, NoEnsemble) else {*asked.analyzer.bundle.ensemble.left_out}
        )

    # ---------------------------------------------------------------- drift

    def _give_up(self, now: np.datetime64) -> Event | None:
        if isinstance(self._asked, NoEnsemble):
            return None
        drift = self._asked.drift(now)
        if drift is None:
            return None
        self._asked = NoEnsemble(f"{DRIFT}{drift} (bundle {_short(self.state)})")
        return _told(now, "ml_dropped", f"trading without ML: {self.state}", loud=True)


_STAYS = "the version that came in force is not taken"


def _probe(timeframe: Timeframe, length: int) -> Bars:
    """Return the last bars of a simulated market."""
    days = -(-length * timeframe.ms // _DAY_MS)
    return synthetic_bars("BTC/USDT", timeframe, days=days, seed=0)[-length:]


def _described(asked: WatchedAnalyzer) -> str:
    manifest = asked.analyzer.bundle.manifest
    created = readable(np.datetime64(manifest.created_at.replace(tzinfo=None), "ms"))
    watched = "drift is watched"
    if asked.unwatched is not None:
        watched = f"DRIFT IS NOT WATCHED: {asked.unwatched}"
    elif manifest.references is not None and manifest.references.held_out is None:
        watched = "drift of features alone is watched: too few held-out rows to know more"
    return f"bundle {_short(asked.analyzer.digest)} of {created}; {watched}"


def _short(digest: str) -> str:
    return digest[:SHORT_DIGEST]


def _told(now: np.datetime64, kind: str, text: str, *, loud: bool = False) -> Event:
    event = _event(now, kind, text)
    log.log(logging.WARNING if loud else logging.INFO, "%s", event.text)
    return event


def _event(now: np.datetime64, kind: str, text: str) -> Event:
    return Event(at=now, kind=kind, text=one_line(text))
