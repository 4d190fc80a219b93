"""What a user asks of a paper session."""

from dataclasses import dataclass
from pathlib import Path

from engine.jobs.markets import AskedBars
from engine.jobs.serving import MLMode
from engine.jobs.settings import Settings
from feeds.timeframe import Timeframe

DEFAULT_TIMEFRAME = Timeframe.parse("1m")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A recording that stands in for an exchange.

    Attributes
    ----------
    bars : where it comes from, and the dates of it that count
    speed : seconds of the recording per real second
    outage : bars that close unwatched when a session that was interrupted goes on
    """

    bars: AskedBars
    speed: float = 60.0
    outage: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRequest:
    """A session: what is traded where, and where its state and results are kept.

    Attributes
    ----------
    symbols, timeframe : of a live session; a rehearsal has those of its recording
    state : None for a file of the session's own below `out`, which moves into the run's folder
    dashboard : host and port; None for none
    record : folder that keeps what was received, for rehearsals; None for none
    """

    settings: Settings
    ml: MLMode = MLMode.AUTO
    symbols: tuple[str, ...] = ()
    timeframe: Timeframe = DEFAULT_TIMEFRAME
    rehearsal: Rehearsal | None = None
    in_sample: bool = False
    state: Path | None = None
    out: Path = Path("runs")
    dashboard: tuple[str, int] | None = None
    record: Path | None = None
