"""Whether a candidate is put in force, in one sentence that says what it rests on.

It rests on the expectancy per trade after costs, as the verdict of a comparison does, with the
running bundle in the place of ML-off.

By evidence: the candidate's expectancy is above that of the running bundle, and of its own random
and volatility gates, each time with the whole interval. Else the running bundle stays.

Who looks every week finds something in the end. So the k-th look at one running bundle is taken at
the level 1 - 0.05 / (k (k + 1)): over all looks, however many, the errors that are allowed add up
to the 5 % of one interval. Only so many draws can be afforded: at the 14th look fewer than
FEWEST_BEYOND of them lie beyond the level, and the end of an interval would be the luck of a few
draws. From there on nothing is promoted by evidence.

Unless worse: it is put in force unless it is shown to be worse, by a look at the usual level, or
hardly trades where the running bundle does, or tells the newest rows apart worse than chance
explains.
"""

from dataclasses import dataclass

from engine.jobs.comparing.verdict import (
    FEWEST_TRADES,
    RANDOM,
    VOLATILITY,
    above_zero,
    interval_text,
    listed,
)
from engine.jobs.updating.contest import CANDIDATE, RIVALS, RUNNING, Contest
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import Comparison
from engine.statistics.drawn_days import LEVEL
from engine.statistics.intervals import Interval

RANKING_DEVIATIONS = 2.0  # of what chance moves the ROC AUC by; a worse one is no chance
FEWEST_BEYOND = 5  # draws beyond the level
_WIDEST = 1.0  # of the money put in; so wide an interval comes of draws without any difference

_CALLED = {
    RUNNING: "the running bundle",
    RANDOM: "the random gate",
    VOLATILITY: "the volatility gate",
}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the candidate is put in force, and why."""

    promoted: bool
    why: str


def level_of(promote: Promote, look: int) -> float:
    """Return the level of the intervals at the `look`-th look at one running bundle, from 1 on.

    >>> level_of(Promote.EVIDENCE, 1), level_of(Promote.UNLESS_WORSE, 9)
    (0.975, 0.95)
    """
    if promote is Promote.UNLESS_WORSE:
        return LEVEL
    return 1.0 - (1.0 - LEVEL) / (look * (look + 1))


def is_look(promote: Promote, traded: Contest | None) -> bool:
    """Return whether the candidate could be shown to be better, which is what counts as a look."""
    if promote is not Promote.EVIDENCE or traded is None:
        return False
    return traded.enough and traded.draws_beyond >= FEWEST_BEYOND


def decide(promote: Promote, rows: Comparison, traded: Contest | None) -> Decision:
    """Return whether the candidate is put in force.

    Parameters
    ----------
    rows : how both versions tell the newest rows
    traded : what both traded on the newest bars; None if there were none
    """
    if rows.silent:  # nothing that could be kept
        return Decision(True, f"The running bundle answers no more ({rows.untold}).")
    where = "On a simulated market: " if traded is not None and traded.synthetic else ""
    found = _by_evidence(traded) if promote is Promote.EVIDENCE else _unless_worse(rows, traded)
    return Decision(found.promoted, where + found.why)


def _by_evidence(traded: Contest | None) -> Decision:
    if traded is None or not traded.enough:
        return Decision(False, f"Too little to tell: {_too_little(traded)}.")
    if traded.draws_beyond < FEWEST_BEYOND:
        return Decision(False, f"Looked at too often to tell: {_too_often(traded)}.")
    ahead = {rival: traded.ahead_of(rival) for rival in RIVALS}
    failed = {rival: pair for rival, pair in ahead.items() if not above_zero(pair.expectancy)}
    if failed:
        sizes = [p.smallest_difference for p in failed.values() if p.smallest_difference]
        seen = f"; only a difference from {max(sizes):.3%} on shows so soon" if sizes else ""
        others = listed([_than(name, pair.expectancy) for name, pair in failed.items()], "or")
        return Decision(
            False,
            "No evidence that the candidate is better: its expectancy per trade after costs is "
            f"not shown to be above that of {others}{seen}.",
        )
    gains = listed([_than(name, pair.expectancy) for name, pair in ahead.items()], "and")
    return Decision(
        True,
        f"The candidate is better: its expectancy per trade after costs is above that of {gains}.",
    )


def _unless_worse(rows: Comparison, traded: Contest | None) -> Decision:
    worse = _ranks_worse(rows)
    if worse is not None:
        return Decision(False, f"The candidate is worse: {worse}.")
    if traded is None or not traded.enough:
        few = _too_little(traded)
        if traded is not None and traded.trades(RUNNING) >= FEWEST_TRADES:
            return Decision(False, f"The candidate hardly trades: {few}.")
        return Decision(
            True, f"The candidate is not shown to be worse, for there is too little to tell: {few}."
        )
    difference = traded.ahead_of(RUNNING).expectancy
    if difference.high is not None and difference.high < 0.0:
        return Decision(False, f"The candidate is worse: its {_differs(difference)}.")
    return Decision(True, f"The candidate is not shown to be worse: its {_differs(difference)}.")


def _differs(difference: Interval) -> str:
    return f"expectancy per trade after costs differs from that of {_than(RUNNING, difference)}"


def _ranks_worse(rows: Comparison) -> str | None:
    """Return by how much the candidate tells rows apart worse than chance explains, or None."""
    if rows.old is None or rows.new is None or rows.chance is None:
        return None
    before, now = (scores["ensemble"]["roc_auc"] for scores in (rows.old, rows.new))
    if now >= before - RANKING_DEVIATIONS * rows.chance:
        return None
    return (
        f"its ROC AUC on the newest rows is {now:.3f}, that of the running bundle {before:.3f}, "
        f"and chance alone moves it by {rows.chance:.3f}"
    )


def _too_little(traded: Contest | None) -> str:
    if traded is None:
        return "no bars are new to both"
    return (
        f"the running bundle made {traded.trades(RUNNING):,} trades and the candidate "
        f"{traded.trades(CANDIDATE):,}, and each needs {FEWEST_TRADES}"
    )


def _too_often(traded: Contest) -> str:
    said = traded.intervals
    return (
        f"of {said.draws:,} draws, {traded.draws_beyond:.1f} lie beyond the {said.level:.3%} of "
        f"this look at the running bundle, and it takes {FEWEST_BEYOND}; train once with the whole "
        "history, or update with --promote unless-worse"
    )


def _than(rival: str, difference: Interval) -> str:
    called = _CALLED[rival]
    if difference.low is None or difference.high is None:
        return f"{called} (too few trades, or the same ones)"
    if difference.high - difference.low > _WIDEST:
        return f"{called} (too few of their trades differ to tell by how much)"
    return f"{called} (by {interval_text(difference)})"
