"""One bar's decision in full, or why there was none to make."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import RunError
from engine.jobs.markets import Market
from engine.jobs.settings import Settings
from engine.jobs.showing.bars import markets_again
from engine.jobs.showing.decision import Candidate, Row, outcome_words
from engine.jobs.showing.folder import RunFolder
from engine.jobs.showing.journal import journal, moments, refuse_outside, row_at
from engine.plain import plain
from engine.tables import run_name, stamp_line
from feeds.bars import Bars
from feeds.moments import iso, parse_utc, readable
from feeds.timeframe import Timeframe
from strategies.config import CryptoScalpingConfig, HybridConfig
from strategies.errors import StrategyError
from strategies.evidence import EvidenceTable, candidates, evidence_table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoCandidate:
    """A bar on which nothing was to be decided.

    Attributes
    ----------
    reason : why it is no candidate
    around : the candidate bars of the symbol before and after it, with their outcomes
    """

    reason: str
    around: Mapping[str, Row | None]

    def to_json(self) -> dict[str, Any]:
        """Return the answer in JSON's own types."""
        found: dict[str, Any] = plain(
            {"candidate": False, "why": self.reason, "around": self.around}
        )
        return found

    def text(self, _stamps: str) -> str:
        """Return the answer for people."""
        lines = [f"no candidate: {self.reason}"]
        for where, row in self.around.items():
            lines.append(f"candidate {where}: {_in_short(row)}")
        return "\n".join(lines)


def _in_short(row: Row | None) -> str:
    if row is None:
        return "none"
    return f"{readable(parse_utc(row['decided_at']))}, {outcome_words(row['outcome'])}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Why:
    """What each run of a folder made of one bar.

    Attributes
    ----------
    asked : the moment that was asked for
    decided_at : when the bar closed that it falls to: the last close not after it
    """

    run: RunFolder
    symbol: str
    asked: np.datetime64
    decided_at: np.datetime64
    answers: Mapping[str, Candidate | NoCandidate]

    @property
    def opened_at(self) -> np.datetime64:
        """When the bar opened."""
        return self.decided_at - Timeframe.parse(self.run.manifest.data.timeframe).delta

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "run_dir": str(self.run.path),
            "stamps": list(self.run.manifest.stamps),
            "symbol": self.symbol,
            "asked": iso(self.asked),
            "decided_at": iso(self.decided_at),
            "opened_at": iso(self.opened_at),
            "runs": {label: answer.to_json() for label, answer in self.answers.items()},
        }

    def text(self) -> str:
        """Return what a person reads."""
        stamps = "".join(stamp_line(stamp) for stamp in self.run.manifest.stamps)
        lines = [
            f"{self.symbol}, decided {readable(self.decided_at)}, when the bar closed that opened "
            f"{readable(self.opened_at)}"
        ]
        if self.asked != self.decided_at:
            lines.append(f"no bar closed at {readable(self.asked)}: this is the last one before")
        for label, answer in self.answers.items():
            lines += ["", run_name(label), answer.text(stamps)]
        return "\n".join(lines)


def why(run: RunFolder, symbol: str, asked: np.datetime64) -> Why:
    """Return what the runs of the folder decided on a symbol at a moment.

    The moment is that of the decision, when a bar closed; one between two closes falls to the
    last of them, since that is what a trader knew then.

    Raises
    ------
    RunError
        if the run did not trade the symbol, or not at that moment
    """
    decided_at = _close_before(run, symbol, asked)
    rows = {label: journal(run, label, symbol) for label in run.labels}
    at = {label: frame[frame["decided_at"] == decided_at] for label, frame in rows.items()}
    reason = "" if all(len(frame) for frame in at.values()) else _reason(run, symbol, decided_at)
    answers: dict[str, Candidate | NoCandidate] = {}
    for label, frame in at.items():
        if len(frame):
            answers[label] = _candidate(run, label, row_at(frame, 0))
        else:
            answers[label] = NoCandidate(reason=reason, around=_around(rows[label], decided_at))
    return Why(run=run, symbol=symbol, asked=asked, decided_at=decided_at, answers=answers)


def _close_before(run: RunFolder, symbol: str, asked: np.datetime64) -> np.datetime64:
    """Return the last close at or before the moment, on the grid of the run's timeframe."""
    step = Timeframe.parse(run.manifest.data.timeframe).ms
    close = asked - np.timedelta64(int(asked.astype(np.int64)) % step, "ms")
    refuse_outside(run, symbol, close, close + np.timedelta64(1, "ms"), readable(asked))
    return close


def _candidate(run: RunFolder, label: str, row: Row) -> Candidate:
    trades = run.table(label, "trades.csv")
    own = trades[trades["symbol"] == row["symbol"]]
    # ISO moments of one form and zone sort as text.
    made = own[own["decided_at"] == row["decided_at"]]
    held = own[(own["decided_at"] < row["decided_at"]) & (own["closed_at"] >= row["decided_at"])]
    return Candidate(
        row=row,
        settings=run.settings(label),
        trade=None if made.empty else plain(made.iloc[0].to_dict()),
        held=None if held.empty else plain(held.iloc[-1].to_dict()),
    )


def _around(own: pd.DataFrame, moment: np.datetime64) -> dict[str, Row | None]:
    """Return outcome and moment of the last candidate before the moment and the first after."""
    place = int(np.searchsorted(moments(own), moment))
    found: dict[str, Row | None] = {}
    for where, position in (("before", place - 1), ("after", place)):
        inside = 0 <= position < len(own)
        row = row_at(own, position) if inside else None
        found[where] = None if row is None else {k: row[k] for k in ("decided_at", "outcome")}
    return found


def _reason(run: RunFolder, symbol: str, moment: np.datetime64) -> str:
    """Return why a bar is no candidate: from the bars, or what can be said without them."""
    settings = run.settings(run.labels[0])
    try:
        (market,) = [m for m in markets_again(run) if m.bars.symbol == symbol]
        return _said_by_bars(market, settings, moment)
    except (RunError, StrategyError, OSError) as error:
        return (
            f"{_needed(settings.strategy)} did not hold, or the bar was missing, filled or within "
            f"the warm-up; nobody can tell any more: {error}"
        )


def _needed(strategy: HybridConfig) -> str:
    if isinstance(strategy, CryptoScalpingConfig):
        return f"RSI(14) below {strategy.rsi_oversold:g}"
    return "a mandatory rule"


def _said_by_bars(market: Market, settings: Settings, moment: np.datetime64) -> str:
    bars: Bars = market.bars
    row = int(np.searchsorted(bars.closed_at, moment))
    if row == len(bars) or bars.closed_at[row] != moment:
        return "no bar closed then: there is a hole in the bars"
    if bars.filled[row]:
        return "the bar is missing; a flat one without trade stands in for it"
    needed = settings.strategy.warmup_bars
    before = int(bars.bars_before()[row])
    if before < needed:
        return f"it is within the warm-up: {before} bars of its segment before it, needs {needed}"
    table = evidence_table(bars, settings.strategy)
    if candidates(table, settings.strategy)[row]:
        return "the rules of this version hold, those of the version that made the run did not"
    return f"the mandatory filter does not hold: {_filtered(table, settings.strategy, row)}"


def _filtered(table: EvidenceTable, strategy: HybridConfig, row: int) -> str:
    if isinstance(strategy, CryptoScalpingConfig):
        rsi = table.values["rsi"][row]  # noqa: PD011  a mapping of columns
        return f"RSI(14) is {rsi:.2f}, must be below {strategy.rsi_oversold:g}"
    missing = [rule for rule in table.needed if not table.holds[rule][row]]
    return f"{', '.join(missing)} does not speak for an entry"
