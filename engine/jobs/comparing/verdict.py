"""Whether ML helps, in one sentence that rests on the expectancy per trade after costs alone.

ML helps only if its expectancy is above that of ML-off, of the random gate and of the volatility
gate, each time by more than the days' luck explains: the lower ends of all three intervals are
above zero. A gain in win rate is no evidence, because a gate without skill can have it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.statistics.intervals import Interval, Intervals, PairIntervals

FEWEST_TRADES = 30  # in either run; below, an interval of a mean says nothing
OFF, ON, RANDOM, VOLATILITY = "off", "on", "random_gate", "volatility_gate"
PAIRS = ((ON, OFF), (ON, RANDOM), (ON, VOLATILITY))

_CALLED = {OFF: "ML-off", RANDOM: "the random gate", VOLATILITY: "the volatility gate"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether ML helps, and the sentence that says so."""

    ml_helps: bool
    sentence: str


def verdict(intervals: Intervals, *, synthetic: bool) -> Verdict:
    """Return what the intervals of the runs and of the differences allow to say.

    Parameters
    ----------
    intervals : of `off`, `on` and the gates, and of the pairs in `PAIRS`
    synthetic : True if the market is simulated, which the sentence then says first
    """
    where = "On a simulated market: " if synthetic else ""
    found = _verdict(intervals)
    return Verdict(found.ml_helps, where + found.sentence)


def _verdict(intervals: Intervals) -> Verdict:
    counts = {name: round(intervals.runs[name].trades) for name in (OFF, ON)}
    if min(counts.values()) < FEWEST_TRADES:
        return Verdict(
            False,
            f"Too few trades for a verdict: ML-off made {counts[OFF]:,} and ML-on "
            f"{counts[ON]:,}, and each needs {FEWEST_TRADES}.",
        )
    pairs = {than: intervals.pair(ON, than) for _, than in PAIRS}
    failed = [than for than, pair in pairs.items() if not above_zero(pair.expectancy)]
    if failed:
        return Verdict(False, _no_evidence({than: pairs[than] for than in failed}))
    gains = listed([_than(name, pair.expectancy) for name, pair in pairs.items()], "and")
    return Verdict(
        True,
        f"ML helps: its expectancy per trade after costs is above that of {gains}, "
        f"{_earns(intervals.runs[ON].expectancy)}.",
    )


def above_zero(interval: Interval) -> bool:
    """Return whether the whole interval lies above zero."""
    return interval.low is not None and interval.low > 0.0


def _no_evidence(failed: Mapping[str, PairIntervals]) -> str:
    """Return which differences show nothing, and how large one would have been seen."""
    others = listed([_than(name, pair.expectancy) for name, pair in failed.items()], "or")
    sizes = [p.smallest_difference for p in failed.values() if p.smallest_difference is not None]
    seen = (
        f"; with this many trades, only a difference of {max(sizes):.3%} or more would show"
        if sizes
        else ""
    )
    return (
        "No evidence that ML helps: its expectancy per trade after costs is not shown to be above "
        f"that of {others}{seen}."
    )


def _than(name: str, difference: Interval) -> str:
    """Return what ML-on is compared with, and by how much it is above."""
    called = _CALLED[name]
    if difference.low is None or difference.high is None:
        return f"{called} (too few trades, or the same ones)"
    worse = ", so it is below" if difference.high < 0.0 else ""
    return f"{called} (by {interval_text(difference)}{worse})"


def listed(parts: Sequence[str], word: str) -> str:
    """Return the parts in a row: a, b or c."""
    *most, last = parts
    return f"{', '.join(most)} {word} {last}" if most else last


def _earns(expectancy: Interval) -> str:
    """Return whether the trades make money at all."""
    if expectancy.value is not None and expectancy.value <= 0.0:
        return f"but it still loses money, {interval_text(expectancy)} a trade"
    if not above_zero(expectancy):
        return f"but that it makes money, {interval_text(expectancy)} a trade, is not shown"
    return f"and it makes money, {interval_text(expectancy)} a trade"


def interval_text(interval: Interval) -> str:
    """Return a fraction and its interval in percent.

    >>> interval_text(Interval(value=0.001, low=-0.002, high=0.004))
    '+0.100% [-0.200%, +0.400%]'
    """
    if interval.value is None or interval.low is None or interval.high is None:
        return "undefined"
    return f"{interval.value:+.3%} [{interval.low:+.3%}, {interval.high:+.3%}]"
