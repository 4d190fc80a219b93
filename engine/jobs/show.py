"""The show command: what is asked about kept runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.errors import UsageError
from engine.jobs.flags import Report
from engine.jobs.showing.diff import diff
from engine.jobs.showing.folder import RunFolder, open_run
from engine.jobs.showing.listing import list_runs
from engine.jobs.showing.returns_export import export_returns
from engine.jobs.showing.summary import Summary
from engine.jobs.showing.trade_export import export_trades
from feeds.errors import FeedError
from feeds.moments import parse_utc
from feeds.symbol import normalise_symbol
from ml.models.member_config import MemberConfig

_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")  # a day, not its midnight


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A run, and what to show of it; without more, a summary.

    Attributes
    ----------
    run : a folder, or `last` for the latest below `out`; None for a list of them all
    why : a symbol and a moment or a day, as they were given
    members : of the settings of today: whose code a run that is made again may use
    diff : another run
    export_trades, export_returns : files to write
    """

    run: str | None
    out: Path = Path("runs")
    why: Sequence[str] | None = None
    rerun: bool = False
    members: Mapping[str, MemberConfig] = field(default_factory=dict)
    diff: str | None = None
    export_trades: Path | None = None
    export_returns: Path | None = None


def show(asked: Shown) -> Report:
    """Return what is asked about the run, or about all of them."""
    if asked.run is None:
        return list_runs(asked.out)
    if asked.why is not None:
        return _why(open_run(asked.run, asked.out), *asked.why)
    run = open_run(asked.run, asked.out)
    if asked.rerun:
        from engine.jobs.showing.rerun import rerun  # it loads the engine

        return rerun(run, asked.members)
    if asked.diff is not None:
        return diff(run, open_run(asked.diff, asked.out))
    return _exported(run, asked) or Summary(run)


def _exported(run: RunFolder, asked: Shown) -> Report | None:
    """Return what was written of the run; None if nothing was to be."""
    if asked.export_trades is not None:
        return export_trades(run, asked.export_trades)
    if asked.export_returns is not None:
        return export_returns(run, asked.export_returns)
    return None


def _why(run: RunFolder, symbol: str, moment: str) -> Report:
    """Return the decision at a moment, or all of a day where the moment is a date alone."""
    from engine.jobs.showing.day import candidates_of_day  # a summary starts without the rules
    from engine.jobs.showing.why import why

    try:
        name, asked = normalise_symbol(symbol), parse_utc(moment)
    except (FeedError, ValueError) as error:
        raise UsageError(f"--why takes a symbol and a moment: {error}") from error
    return (candidates_of_day if _DATE.fullmatch(moment) else why)(run, name, asked)
