"""Tests of scoring: points at the edges, and a mandatory filter that nothing overrides."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.prediction import Confidence, Prediction, Signal, Unavailable
from strategies.config import CryptoScalpingConfig
from strategies.evidence import Evidence
from strategies.scalping_rules import RULES
from strategies.scoring import Opinion, decide, ml_points, ml_scores, opinion_matters

CONFIG = CryptoScalpingConfig()
verdicts = st.fixed_dictionaries({rule: st.booleans() for rule in RULES})


def prediction(probability: float) -> Prediction:
    return Prediction(probability, Signal.BUY, Confidence.HIGH, {}, {})


opinions = st.one_of(st.none(), st.just(Unavailable("none")), st.floats(0, 1).map(prediction))


def evidence(**holds: bool) -> Evidence:
    return Evidence(
        symbol="BTC/USDT",
        decided_at=np.datetime64("2024-01-01", "ms"),
        holds=MappingProxyType({rule: holds.get(rule, False) for rule in RULES}),
        values={},
        pattern=None,
    )


@pytest.mark.parametrize(
    ("probability", "points"),
    [(1.0, 2.0), (0.70, 2.0), (0.69, 1.0), (0.60, 1.0), (0.59, 0.5), (0.50, 0.5), (0.49, 0.0),
     (0.45, 0.0), (0.44, -1.0), (0.0, -1.0)],
)  # fmt: skip
def test_the_bonus_at_the_edges_of_each_step(probability: float, points: float) -> None:
    assert ml_points(prediction(probability), CONFIG) == points


def test_a_probability_a_rounding_error_below_a_step_still_reaches_it() -> None:
    assert ml_points(prediction(0.7 - 1e-12), CONFIG) == 2.0


@given(st.lists(st.floats(0, 1) | st.sampled_from([0.7, 0.7 - 1e-10, 0.6, 0.5, 0.45, 0.45 - 1e-8])))
def test_many_opinions_are_worth_what_each_is(probabilities: list[float]) -> None:
    found = ml_scores(np.array([*probabilities, np.nan]), CONFIG)
    assert found.tolist() == [*(ml_points(prediction(p), CONFIG) for p in probabilities), 0.0]


@pytest.mark.parametrize("opinion", [None, Unavailable("no bundle")])
def test_no_opinion_is_worth_nothing(opinion: Opinion) -> None:
    assert ml_points(opinion, CONFIG) == 0.0


def test_all_evidence_together_is_nine_points() -> None:
    decision = decide(evidence(**dict.fromkeys(RULES, True)), None, CONFIG)
    assert decision.score.technical == 9.0
    assert decision.enter


@given(holds=verdicts, opinion=opinions)
def test_nothing_is_entered_without_the_mandatory_filter(
    holds: dict[str, bool], opinion: Opinion
) -> None:
    generous = CONFIG.model_copy(update={"min_entry_score": 0.0})
    assert not decide(evidence(**holds | {"rsi": False}), opinion, generous).enter


@given(holds=verdicts, opinion=opinions)
def test_the_total_is_the_sum_of_its_items(holds: dict[str, bool], opinion: Opinion) -> None:
    score = decide(evidence(**holds), opinion, CONFIG).score
    assert score.total == pytest.approx(sum(score.items.values()) + ml_points(opinion, CONFIG))
    assert 0 <= score.technical <= 9


@given(holds=verdicts, opinion=opinions)
def test_where_an_opinion_does_not_matter_none_would_have_entered(
    holds: dict[str, bool], opinion: Opinion
) -> None:
    decision = decide(evidence(**holds), opinion, CONFIG)
    matters = opinion_matters(np.array([decision.score.technical]), CONFIG)[0]
    assert matters or not decision.enter


def test_the_ensemble_can_tip_a_score_up_and_down() -> None:
    four = evidence(rsi=True, bollinger=True)
    six = replace(four, holds={**four.holds, "volume": True, "macd": True})
    assert decide(four, prediction(0.75), CONFIG).enter
    assert not decide(four, prediction(0.65), CONFIG).enter
    assert decide(six, None, CONFIG).enter
    assert not decide(six, prediction(0.30), CONFIG).enter
