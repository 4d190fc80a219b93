"""What a candidate must show, and what keeps the running bundle in force."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom

from engine.jobs.comparing.verdict import FEWEST_TRADES, RANDOM, VOLATILITY
from engine.jobs.updating.contest import CANDIDATE, RIVALS, RUNNING, Contest, draws_for
from engine.jobs.updating.decision import FEWEST_BEYOND, Decision, decide, is_look, level_of
from engine.jobs.updating.policy import Promote
from engine.jobs.updating.rows import Comparison
from engine.statistics.drawn_days import LEVEL
from engine.statistics.intervals import TradeReturns, calendar, intervals_on

SINCE = np.datetime64("2024-01-01", "ms")
DAY = np.timedelta64(86_400_000, "ms")
NOTHING = Comparison(since=SINCE, rows=10, ones=5, untold="it takes 100 rows at least")
EVIDENCE, UNLESS_WORSE = Promote
BELOW = -0.02  # of gates that are no rivals


def some_trades(seed: int, mean: float, *, days: int, a_day: int = 3) -> TradeReturns:
    """Return trades of a bad or a good day each, which share its luck."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), a_day)
    luck = np.repeat(rng.normal(0.0, 0.003, days), a_day)
    returns = mean + luck + 0.006 * rng.standard_t(4, len(day))
    return TradeReturns(SINCE + day * DAY, returns)


def contest_of(
    *, level: float = LEVEL, days: int = 90, draws: int = 1000, **runs: TradeReturns
) -> Contest:
    """Return a contest of these runs; gates that are not given are far behind."""
    given = {name: [run] for name, run in runs.items()}
    if min(len(runs[name].returns) for name in (RUNNING, CANDIDATE)) >= FEWEST_TRADES:
        behind = some_trades(99, BELOW, days=days)
        given = {**given, **{gate: given.get(gate, [behind]) for gate in (RANDOM, VOLATILITY)}}
    ordered = {CANDIDATE: given.pop(CANDIDATE), "off": given[RUNNING], **given}
    until = SINCE + (days - 1) * DAY
    pairs = [(CANDIDATE, rival) for rival in RIVALS if rival in ordered]
    return Contest(
        since=SINCE,
        until=until,
        symbols=["BTC/USDT"],
        intervals=intervals_on(
            ordered, pairs, calendar(SINCE, until), seed=1, draws=draws, level=level
        ),
        ranking=None,
        synthetic=False,
    )


def rows_of(old: float, new: float, *, rows: int = 2000) -> Comparison:
    scores = [{"ensemble": {"roc_auc": auc}} for auc in (old, new)]
    return Comparison(since=SINCE, rows=rows, ones=rows // 4, old=scores[0], new=scores[1])


SOME = some_trades(1, 0.0, days=90)
BETTER = some_trades(2, 0.01, days=90)
LIKE = some_trades(3, 0.0, days=90)
FEW = some_trades(4, 0.0, days=9, a_day=2)


# By evidence


def test_a_candidate_that_is_above_all_rivals_is_promoted_by_evidence() -> None:
    found = decide(EVIDENCE, NOTHING, contest_of(running=SOME, candidate=BETTER))
    assert found.promoted
    assert found.why.startswith("The candidate is better")
    assert "the running bundle (by +" in found.why


@pytest.mark.parametrize(
    ("rival", "called"),
    [
        (RUNNING, "the running bundle"),
        (RANDOM, "the random gate"),
        (VOLATILITY, "the volatility gate"),
    ],
)
def test_one_rival_that_is_as_good_is_enough_to_keep_the_running_bundle(
    rival: str, called: str
) -> None:
    runs: dict[str, Any] = {RUNNING: SOME, CANDIDATE: BETTER}
    runs[rival] = some_trades(5, 0.01, days=90)
    found = decide(EVIDENCE, NOTHING, contest_of(**runs))
    assert not found.promoted
    assert found.why.startswith("No evidence that the candidate is better")
    assert called in found.why
    others = {"the running bundle", "the random gate", "the volatility gate"} - {called}
    assert not any(other in found.why for other in others)


def test_a_difference_that_luck_explains_is_no_evidence_and_the_sentence_says_what_would_show() -> (
    None
):
    found = decide(EVIDENCE, NOTHING, contest_of(running=SOME, candidate=LIKE))
    assert not found.promoted
    assert "only a difference from 0." in found.why


@pytest.mark.parametrize("runs", [(SOME, FEW), (FEW, BETTER), (FEW, FEW)])
def test_too_few_trades_are_no_evidence(runs: tuple[TradeReturns, TradeReturns]) -> None:
    found = decide(EVIDENCE, NOTHING, contest_of(running=runs[0], candidate=runs[1]))
    assert found == Decision(
        False,
        f"Too little to tell: the running bundle made {len(runs[0].returns)} trades and the "
        f"candidate {len(runs[1].returns)}, and each needs 30.",
    )


def test_no_new_bars_are_no_evidence() -> None:
    assert decide(EVIDENCE, NOTHING, None) == Decision(
        False, "Too little to tell: no bars are new to both."
    )


def test_the_same_trades_are_no_evidence_and_not_worse() -> None:
    same = contest_of(running=SOME, candidate=SOME)
    assert "too few trades, or the same ones" in decide(EVIDENCE, NOTHING, same).why
    assert decide(UNLESS_WORSE, NOTHING, same).promoted


def test_nearly_the_same_trades_are_not_given_an_interval_of_noise() -> None:
    rounding = 1e-9 * np.random.default_rng(0).normal(size=len(SOME.returns))
    returns = SOME.returns + rounding
    returns[0] += 0.02
    nearly = contest_of(running=SOME, candidate=replace(SOME, returns=returns))
    found = decide(EVIDENCE, NOTHING, nearly)
    assert not found.promoted
    assert "too few of their trades differ to tell by how much" in found.why


@pytest.mark.parametrize("policy", Promote)
def test_a_running_bundle_without_an_answer_is_replaced(policy: Promote) -> None:
    silent = replace(NOTHING, silent=True, untold="the old version has no answer: nobody voted")
    found = decide(policy, silent, contest_of(running=SOME, candidate=FEW))
    assert found.promoted
    assert "answers no more (the old version has no answer: nobody voted)" in found.why


def test_what_is_simulated_is_said_first() -> None:
    found = replace(contest_of(running=SOME, candidate=BETTER), synthetic=True)
    assert decide(EVIDENCE, NOTHING, found).why.startswith("On a simulated market: ")


# Unless worse


def test_a_candidate_that_is_shown_to_be_worse_is_not_promoted() -> None:
    found = decide(UNLESS_WORSE, NOTHING, contest_of(running=BETTER, candidate=SOME))
    assert not found.promoted
    assert found.why.startswith("The candidate is worse: its expectancy")


@pytest.mark.parametrize(("running", "candidate"), [(SOME, LIKE), (LIKE, SOME), (SOME, BETTER)])
def test_a_candidate_that_is_not_shown_to_be_worse_is_promoted(
    running: TradeReturns, candidate: TradeReturns
) -> None:
    found = decide(UNLESS_WORSE, NOTHING, contest_of(running=running, candidate=candidate))
    assert found.promoted
    assert found.why.startswith("The candidate is not shown to be worse")


def test_where_nothing_can_be_told_the_newer_one_is_promoted_unless_worse() -> None:
    assert decide(UNLESS_WORSE, NOTHING, None).promoted
    assert decide(UNLESS_WORSE, NOTHING, contest_of(running=FEW, candidate=FEW)).promoted


def test_a_candidate_that_hardly_trades_is_not_promoted() -> None:
    found = decide(UNLESS_WORSE, NOTHING, contest_of(running=SOME, candidate=FEW))
    assert not found.promoted
    assert found.why.startswith("The candidate hardly trades")


def test_a_candidate_that_tells_rows_apart_no_more_is_not_promoted() -> None:
    few = contest_of(running=FEW, candidate=FEW)
    worse = rows_of(0.65, 0.50)
    assert worse.chance is not None
    found = decide(UNLESS_WORSE, worse, few)
    assert not found.promoted
    assert "its ROC AUC on the newest rows is 0.500, that of the running bundle 0.650" in found.why
    assert decide(UNLESS_WORSE, rows_of(0.65, 0.65 - 1.9 * worse.chance), few).promoted
    assert not decide(UNLESS_WORSE, rows_of(0.65, 0.65 - 2.1 * worse.chance), few).promoted


def test_the_order_of_rows_is_no_evidence() -> None:
    assert not decide(
        EVIDENCE, rows_of(0.5, 0.9), contest_of(running=SOME, candidate=LIKE)
    ).promoted


# Many looks


def test_the_errors_allowed_at_all_looks_add_up_to_those_of_one() -> None:
    shares = [1.0 - level_of(EVIDENCE, look) for look in range(1, 100_000)]
    assert shares[0] == pytest.approx(0.025)
    assert sum(shares) == pytest.approx(1.0 - LEVEL, abs=1e-6)
    assert sum(shares) < 1.0 - LEVEL
    assert {level_of(UNLESS_WORSE, look) for look in range(1, 9)} == {LEVEL}


def test_the_errors_of_all_looks_that_may_promote_stay_within_those_of_one() -> None:
    """A draw of a world without a difference is beyond the end as often as that world itself."""
    allowed, errors = [], 0.0
    for look in range(1, 1000):
        level = level_of(EVIDENCE, look)
        draws = draws_for(level)
        ordered = np.arange(draws)
        end = np.quantile(ordered, level, method="higher")  # as intervals end
        if draws * (1.0 - level) >= FEWEST_BEYOND:
            allowed.append(look)
            errors += (draws - end) / (draws + 1)
    assert allowed == [*range(1, 14)]  # as docs/retraining.md says
    assert errors < 1.0 - LEVEL


@pytest.mark.parametrize(("look", "may"), [(13, True), (14, False), (200, False)])
def test_who_has_looked_too_often_is_told_nothing_by_a_few_draws(look: int, may: bool) -> None:
    level = level_of(EVIDENCE, look)
    far = some_trades(2, 0.05, days=90)
    found = contest_of(level=level, draws=draws_for(level), running=SOME, candidate=far)
    decided = decide(EVIDENCE, NOTHING, found)
    assert (decided.promoted, is_look(EVIDENCE, found)) == (may, may)
    assert decided.why.startswith("Looked at too often to tell: of 20,000 draws, ") != may
    assert decide(UNLESS_WORSE, NOTHING, found).promoted


def test_a_contest_is_json_and_a_table_within_the_page() -> None:
    found = contest_of(running=SOME, candidate=BETTER)
    facts: dict[str, Any] = found.to_json()
    assert facts["intervals"] == asdict(found.intervals)
    assert found.short()["trades"] == {"running": 270, "candidate": 270}
    lines = found.text().splitlines()
    assert [line.split("|")[1].strip() for line in lines if line.startswith("|")][2:] == [
        "ML-off",
        "running bundle",
        "candidate",
        "its random gate",
        "its volatility gate",
    ]
    assert max(map(len, lines)) <= 100


@pytest.mark.slow
def test_who_looks_often_is_not_led_by_luck() -> None:
    """Candidates that are no better than what runs: at five looks, ever longer."""
    worlds, looks, days = 60, 5, 15
    corrected, uncorrected = (
        sum(led(world, looks, days, level) for world in range(worlds))
        for level in (lambda look: level_of(EVIDENCE, look), lambda look: LEVEL)
    )
    assert corrected <= binom.ppf(0.999, worlds, (1.0 - LEVEL) / 2)
    assert uncorrected > corrected


def led(world: int, looks: int, days: int, level: Callable[[int], float]) -> bool:
    """Return whether any look finds evidence where there is nothing to be found."""
    both = [some_trades(start + world, 0.0, days=looks * days) for start in (10_000, 20_000)]
    for look in range(1, looks + 1):
        until = look * days
        running, candidate = (cut(trades, until) for trades in both)
        asked = level(look)
        found = contest_of(
            level=asked,
            days=until,
            draws=min(round(1000 * (1.0 - LEVEL) / (1.0 - asked)), 20_000),
            running=running,
            candidate=candidate,
        )
        if decide(EVIDENCE, NOTHING, found).promoted:
            return True
    return False


def cut(trades: TradeReturns, days: int) -> TradeReturns:
    until = SINCE + days * DAY
    early = trades.decided_at < until
    return TradeReturns(trades.decided_at[early], trades.returns[early])
