"""The verdict: what must hold before it says that ML helps, and what it says otherwise."""

from typing import Any

import pytest

from engine.jobs.comparing.verdict import FEWEST_TRADES, OFF, ON, PAIRS, RANDOM, VOLATILITY, verdict
from engine.statistics.intervals import Interval, Intervals, PairIntervals, RunIntervals, pair_name

UNKNOWN = Interval(value=None, low=None, high=None)
GOOD = Interval(value=0.002, low=0.001, high=0.003)
COVERS = Interval(value=0.001, low=-0.001, high=0.003)
WORSE = Interval(value=-0.002, low=-0.003, high=-0.001)


def intervals(
    *differences: Interval, expectancy: Interval = GOOD, trades: tuple[float, float] = (400, 300)
) -> Intervals:
    """Return intervals of ML-on less ML-off, the random and the volatility gate."""
    counts = dict(zip((OFF, ON), trades, strict=True))
    rest: dict[str, Any] = {"win_rate": GOOD, "profit_factor": GOOD}
    return Intervals(
        level=0.95,
        days=365,
        block_days=2.0,
        draws=2000,
        runs={
            name: RunIntervals(trades=counts.get(name, 350.0), expectancy=expectancy, **rest)
            for name in (OFF, ON, RANDOM, VOLATILITY)
        },
        pairs={
            pair_name(*pair): PairIntervals(
                expectancy=difference,
                smallest_difference=None if difference.low is None else 0.0015,
                **rest,
            )
            for pair, difference in zip(PAIRS, differences, strict=True)
        },
    )


def sentence(*differences: Interval, **how: Any) -> str:
    return verdict(intervals(*differences, **how), synthetic=False).sentence


def test_ml_helps_if_it_is_above_all_three() -> None:
    found = verdict(intervals(GOOD, GOOD, GOOD), synthetic=False)
    assert found.ml_helps
    assert found.sentence == (
        "ML helps: its expectancy per trade after costs is above that of ML-off (by +0.200% "
        "[+0.100%, +0.300%]), the random gate (by +0.200% [+0.100%, +0.300%]) and the volatility "
        "gate (by +0.200% [+0.100%, +0.300%]), and it makes money, +0.200% [+0.100%, +0.300%] a "
        "trade."
    )


@pytest.mark.parametrize(
    ("expectancy", "said"),
    [
        (WORSE, "but it still loses money, -0.200% [-0.300%, -0.100%] a trade."),
        (COVERS, "but that it makes money, +0.100% [-0.100%, +0.300%] a trade, is not shown."),
        (GOOD, "and it makes money, +0.200% [+0.100%, +0.300%] a trade."),
    ],
)
def test_the_same_sentence_says_whether_it_makes_money(expectancy: Interval, said: str) -> None:
    assert sentence(GOOD, GOOD, GOOD, expectancy=expectancy).endswith(said)


@pytest.mark.parametrize("doubt", [COVERS, WORSE, UNKNOWN, Interval(value=0.1, low=0.0, high=0.2)])
@pytest.mark.parametrize("place", range(3))
def test_one_doubtful_difference_is_no_evidence(doubt: Interval, place: int) -> None:
    differences = [GOOD, GOOD, GOOD]
    differences[place] = doubt
    found = verdict(intervals(*differences), synthetic=False)
    called = ("ML-off", "the random gate", "the volatility gate")
    assert not found.ml_helps
    assert found.sentence.startswith("No evidence that ML helps: ")
    assert [name for name in called if name in found.sentence] == [called[place]]


def test_it_says_which_intervals_fail_and_what_could_have_been_shown() -> None:
    assert sentence(COVERS, UNKNOWN, WORSE) == (
        "No evidence that ML helps: its expectancy per trade after costs is not shown to be above "
        "that of ML-off (by +0.100% [-0.100%, +0.300%]), the random gate (too few trades, or the "
        "same ones) or the volatility gate (by -0.200% [-0.300%, -0.100%], so it is below); with "
        "this many trades, only a difference of 0.150% or more would show."
    )


@pytest.mark.parametrize("trades", [(FEWEST_TRADES - 1, 500), (500, FEWEST_TRADES - 1), (0, 0)])
def test_few_trades_have_no_verdict(trades: tuple[float, float]) -> None:
    found = verdict(intervals(GOOD, GOOD, GOOD, trades=trades), synthetic=False)
    assert not found.ml_helps
    assert found.sentence == (
        f"Too few trades for a verdict: ML-off made {trades[0]} and ML-on {trades[1]}, and each "
        f"needs {FEWEST_TRADES}."
    )


def test_a_simulated_market_is_named_first() -> None:
    assert verdict(intervals(GOOD, GOOD, GOOD), synthetic=True).sentence.startswith(
        "On a simulated market: ML helps: "
    )


@pytest.mark.parametrize("difference", [GOOD, COVERS, WORSE, UNKNOWN])
def test_the_win_rate_is_never_mentioned(difference: Interval) -> None:
    for trades in ((400, 300), (4, 3)):
        text = sentence(difference, difference, difference, trades=trades).lower()
        assert "win" not in text
