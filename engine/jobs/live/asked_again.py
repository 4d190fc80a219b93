"""An ensemble that answers from the record, and asks again whoever answered then."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine.jobs.live.recalled import Recalled
from engine.paper.health import SHORT_DIGEST
from feeds.bars import Bars
from feeds.moments import readable
from ml.analyzer import Analyzer
from ml.bundle import load_version
from ml.errors import BundleError
from ml.models.member_config import MemberConfig
from ml.prediction import Prediction, Unavailable
from strategies.views import NoEnsemble, OpinionTable

log = logging.getLogger("tandem.ml")

SAME = 1e-6  # within which probabilities and votes are the same

_DIGEST_LETTERS = 64


@dataclass(slots=True)
class Versions:
    """The versions of a bundle by their digests, each loaded once.

    Attributes
    ----------
    path : of the bundle
    members : of the settings, which name the code of the user's own that may be run
    """

    path: Path
    members: Mapping[str, MemberConfig] = field(default_factory=dict)
    _loaded: dict[str, Analyzer | None] = field(default_factory=dict)

    def of(self, digest: str) -> Analyzer | None:
        """Return who answers for the version; None if it is gone or cannot be asked."""
        if digest not in self._loaded:
            self._loaded[digest] = self._load(digest)
        return self._loaded[digest]

    def _load(self, digest: str) -> Analyzer | None:
        try:
            bundle = load_version(self.path, digest, self.members)
            if bundle is not None:
                return Analyzer(bundle)
            why = f"{self.path} does not hold it any more"
        except BundleError as error:
            why = str(error)
        log.warning("version %s is not asked again: %s", digest[:SHORT_DIGEST], why)
        return None


class AskedAgain:
    """Gives the opinions on record, and compares them with what their versions say now.

    Parameters
    ----------
    opinions : on record, by symbol and decision
    ml : whose opinions they are, by decision: a version's digest, or in words why nobody was asked
    versions : where those are

    Attributes
    ----------
    again, recalled : how many opinions were asked for again, and how many taken as they stand
    differences : in words, of opinions that nobody gives again
    """

    def __init__(
        self, opinions: Recalled, ml: Mapping[np.datetime64, str], versions: Versions
    ) -> None:
        self._opinions, self._ml, self._versions = dict(opinions), ml, versions
        self.again = self.recalled = 0
        self.differences: list[str] = []

    def predict(self, _bars: Bars, _rows: np.ndarray) -> OpinionTable:
        """Say nothing: no bars of a session come as a batch."""
        return NoEnsemble("a session decides bar by bar")

    def predict_last(self, window: Bars) -> Prediction | Unavailable:
        """Return the opinion on record for the last bar of a window."""
        key = window.symbol, window.closed_at[-1]
        told = self._opinions.pop(key, None)
        if told is None:
            return Unavailable("there is no opinion on record")
        difference = self._difference(told, window)
        if difference:
            self.differences.append(f"{key[0]} at {readable(key[1])}: {difference}")
        return told

    def _difference(self, told: Prediction | Unavailable, window: Bars) -> str:
        by = self._ml.get(window.closed_at[-1], "")
        if not _is_digest(by):
            self.recalled += 1
            nobody = isinstance(told, Unavailable) and told.reason == by
            return "" if nobody else f"an opinion is on record where nobody gave any: {by}"
        version = self._versions.of(by)
        if version is None:
            self.recalled += 1
            return ""
        self.again += 1
        now = version.predict_last(window)
        if _same(told, now):
            return ""
        return f"the ensemble said {_said(told)}, asked again {_said(now)} (version {by[:16]})"


def _is_digest(text: str) -> bool:
    return len(text) == _DIGEST_LETTERS and set(text) <= set("0123456789abcdef")


def _same(told: Prediction | Unavailable, now: Prediction | Unavailable) -> bool:
    if isinstance(told, Unavailable) or isinstance(now, Unavailable):
        return told == now
    words = [
        (each.signal, each.confidence, each.thresholds, each.left_out.keys())
        for each in (told, now)
    ]
    return (
        words[0] == words[1]
        and told.votes.keys() == now.votes.keys()
        and abs(told.probability - now.probability) <= SAME
        and all(abs(told.votes[name] - vote) <= SAME for name, vote in now.votes.items())
    )


def _said(opinion: Prediction | Unavailable) -> str:
    if isinstance(opinion, Unavailable):
        return f"nothing ({opinion.reason})"
    votes = ", ".join(f"{name} {vote:.6f}" for name, vote in opinion.votes.items())
    return f"{opinion.probability:.6f} of {votes}"
