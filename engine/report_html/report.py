"""What the page of a run is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine.equity import EquityCurve
from engine.result import RunResult, TradeGroup
from engine.tables import run_titles
from feeds.bars import Bars, FloatArray, TimeArray


@dataclass(frozen=True, slots=True, eq=False)
class Traded:
    """A market, and the position of its first bar that was traded; before it lies the warm-up."""

    bars: Bars
    first: int


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Where the exits of a run's trades lay, one row per trade; NaN and NaT where nobody knows.

    Attributes
    ----------
    stop, target : prices; a stop that follows the price begins here
    until : datetime64[ms], when a market order would have ended the position
    """

    stop: FloatArray
    target: FloatArray
    until: TimeArray


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Beside:
    """What stands beside ML-off and ML-on over time.

    Attributes
    ----------
    time : datetime64[ms], of the band
    low, high : of the random gate's equity, over its seeds
    share : of the seeds that lie between the two
    volatility : the account of the volatility gate
    """

    time: TimeArray
    low: FloatArray
    high: FloatArray
    share: float
    volatility: EquityCurve


class Setting(NamedTuple):
    """A key of the settings: its value in JSON's own types, the default, what it means."""

    name: str
    value: Any
    default: Any
    meaning: str

    @property
    def is_default(self) -> bool:
        """Whether nobody said it otherwise."""
        return bool(self.value == self.default)


class Command(NamedTuple):
    """What a command line does, and the line."""

    does: str
    line: str


@dataclass(frozen=True, slots=True, eq=False, kw_only=True, weakref_slot=True)
class Report:
    """All that is drawn.

    Attributes
    ----------
    name : of the run's folder
    created_at : in UTC, for people
    document : what metrics.json says; a figure that stands in it is taken from it, the others are
        reckoned from what follows
    results : the runs, as in the document
    markets : by symbol
    levels : where exits lay, by the run's label; without those whose strategy does not say it
    groups : what made entries differ, by the names of the document; empty for a single run
    beside : None for a single run
    held : the account of who buys at the start and holds
    model : what is told of the ensemble, by topic (`engine.jobs.reporting.model`); None without ML
    request : what was asked
    settings : of the runs, in their order
    settings_file : those that are not the defaults, as TOML
    importance : the commands that shuffle the features on the bars of the run, in their order
    repeat : what shows this run, and makes it again
    """

    name: str
    created_at: str
    document: Mapping[str, Any]
    results: Sequence[RunResult]
    markets: Mapping[str, Traded]
    levels: Mapping[str, Levels] = field(default_factory=dict)
    groups: Mapping[str, TradeGroup] = field(default_factory=dict)
    beside: Beside | None = None
    held: EquityCurve | None = None
    model: Mapping[str, Any] | None = None
    request: Mapping[str, Any]
    settings: Sequence[Setting] = ()
    settings_file: str = ""
    importance: Sequence[str] = ()
    repeat: Sequence[Command] = ()

    @property
    def titles(self) -> Mapping[str, str]:
        """How the runs are called, by their label."""
        return run_titles(self.results)

    @property
    def stamps(self) -> tuple[str, ...]:
        """What must be said wherever a figure of these runs is shown."""
        return tuple(sorted({stamp for result in self.results for stamp in result.stamps}))
