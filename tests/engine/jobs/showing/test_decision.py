"""A row of the journal told in full: every outcome, every opinion, what is undefined."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.jobs.settings import Settings, load_settings
from engine.jobs.showing.decision import Candidate, outcome_words, rules_seen
from engine.plain import plain
from ml.prediction import Confidence, Prediction, Signal, Thresholds, Unavailable
from strategies.config import CryptoScalpingConfig
from strategies.evidence import Evidence, evidence_table
from strategies.journal import Outcome, journal_row
from strategies.scalping_rules import RULES
from strategies.scoring import Opinion, decide
from tests.makers import make_bars

CONFIG = CryptoScalpingConfig()
SEEN = evidence_table(make_bars(600), CONFIG).at(500)
SURE = Prediction(0.65, Signal.BUY, Confidence.HIGH, {"svm": 0.7, "lstm": float("nan")}, {})


def told(
    outcome: Outcome = Outcome.ENTERED, opinion: Opinion = SURE, seen: Evidence = SEEN, **more: Any
) -> Candidate:
    """Return a candidate as it comes from the journal; what is undefined is None."""
    row = plain(journal_row(decide(seen, opinion, CONFIG), outcome) | more)
    return Candidate(row=row, settings=Settings(), trade=None, held=None)


IN_THE_WAY: dict[Outcome, tuple[dict[str, Any], str]] = {
    Outcome.ENTERED: ({}, "an entry needs 6"),
    Outcome.SCORE_BELOW: ({}, "an entry needs 6"),
    Outcome.IN_POSITION: ({}, "a position was held, or an entry waited"),
    Outcome.VETOED: ({"veto": "cooldown"}, "cooldown stood in the way"),
    Outcome.MISSED: ({}, "too late to buy"),
    Outcome.TOO_SMALL: ({"shortfall": "no_cash", "missing_units": 2.0}, "nothing to buy: no_cash"),
    Outcome.REJECTED: ({"rejection": "cash"}, "came to nothing: cash"),
    Outcome.ORDERED: ({}, "the run ended before it could fill"),
}


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_its_sentence(outcome: Outcome) -> None:
    more, about = IN_THE_WAY[outcome]
    candidate = told(outcome, **more)
    assert about in candidate.why()
    assert f"{outcome_words(outcome)}: {candidate.why()}" in candidate.text("")
    assert candidate.to_json()["outcome"] == outcome


def test_what_is_missing_of_the_plan_is_told() -> None:
    more: dict[str, Any] = {"shortfall": "partial_cash", "missing_units": 0.25}
    assert "not bought: 0.25 units (partial_cash)" in told(**more).text("")


def test_every_rule_stands_against_its_threshold() -> None:
    settings = load_settings(overrides={"strategy": {"rsi_oversold": 27.5, "volume_ratio": 3.0}})
    seen = {each.rule: each for each in rules_seen(told().row, settings)}
    assert tuple(seen) == RULES
    assert seen["rsi"].asked == "below 27.5, mandatory"
    assert seen["volume"].asked == "at least 3 x its mean"
    assert seen["rsi"].value == f"{SEEN.values['rsi']:.2f}"


def test_what_is_undefined_is_a_dash_and_scores_nothing() -> None:
    nothing = dict.fromkeys(SEEN.values, np.nan)
    empty = replace(SEEN, values=nothing, holds=dict.fromkeys(RULES, False), pattern=None)
    candidate = told(Outcome.SCORE_BELOW, None, empty)
    assert {each.value for each in rules_seen(candidate.row, Settings())} == {"-", "none"}
    assert "near the support" in candidate.text("")
    assert candidate.to_json()["failed"] == list(RULES)


@pytest.mark.parametrize(
    ("fitted", "step", "points"),
    [
        (None, "from 0.6 on", "+1"),
        (Thresholds(0.65, 0.6, 0.5, 0.4), "from 0.65 on", "+2"),
        (Thresholds(0.9, 0.8, 0.7, 0.66), "below 0.66", "-1"),
    ],
)
def test_the_probability_stands_on_the_step_that_was_in_force(
    fitted: Thresholds | None, step: str, points: str
) -> None:
    text = told(opinion=replace(SURE, thresholds=fitted)).text("")
    (line,) = [line for line in text.splitlines() if line.startswith("| ensemble")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells == ["ensemble", "0.6500 BUY HIGH", step, points, "2"]


def test_votes_are_those_that_were_given() -> None:
    assert told().to_json()["ml"]["votes"] == {"svm": 0.7}
    silent = told(opinion=Unavailable("no bundle"))
    assert "votes: none (no bundle)" in silent.text("")
    assert silent.to_json()["ml"]["asked"] == "unavailable"
    assert "votes" not in told(opinion=None).text("")
