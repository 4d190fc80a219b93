"""Who watches a session: its health, its ensemble, and whoever wants to be told."""

from collections.abc import Sequence

from engine.paper.moments import PaperMoment
from engine.paper.records import MomentRecord
from engine.paper.state import PaperState
from engine.records import Trade
from feeds.live.feed import LiveFeed
from ml.analyzer import Analyzer
from strategies.views import NoEnsemble


class Observer:
    """Watches a session; nothing that it does changes what is traded, but ML that is dropped."""

    def __init__(self, state: PaperState, ensemble: Analyzer | NoEnsemble | None) -> None:
        self._state = state
        self._ensemble = ensemble

    @property
    def ml(self) -> str:
        """The digest of the bundle that answers, or in words why none does."""
        match self._ensemble:
            case None:
                return "off"
            case NoEnsemble(reason=reason):
                return f"unavailable: {reason}"
            case analyzer:
                return analyzer.digest

    def begin(self, moment: PaperMoment) -> None:
        """Take note of a moment that is not on record."""

    def idle(self, feed: LiveFeed) -> None:
        """Take note that the session is alive."""

    def lived(self, record: MomentRecord, trades: Sequence[Trade]) -> None:
        """Take note of what came of a moment, and of the trades that ended at it."""
