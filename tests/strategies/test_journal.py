"""Tests of the decision journal and of the block that the log prints."""

from dataclasses import replace

import pytest

from ml.prediction import Confidence, Prediction, Signal, Thresholds, Unavailable
from strategies.config import CryptoScalpingConfig
from strategies.evidence import Evidence
from strategies.journal import Outcome, entry_block, journal_row, opinion_of, veto_line
from strategies.scoring import Opinion, decide
from tests.strategies.test_scoring import evidence

CONFIG = CryptoScalpingConfig()
STRONG = Prediction(0.723, Signal.STRONG_BUY, Confidence.VERY_HIGH, {"svm": 0.7}, {"lstm": "gone"})


def seen() -> Evidence:
    values = {
        "close": 67585.43, "rsi": 24.74, "bollinger_lower": 67638.8, "volume_ratio": 2.29,
        "macd_histogram": -15.8, "stochastic_k": 10.5, "stochastic_d": 21.2, "support": 67605.4,
    }  # fmt: skip
    found = evidence(rsi=True, bollinger=True, pattern=True)
    return replace(found, values=values, pattern="hammer")


def block(opinion: Opinion) -> str:
    return entry_block(decide(seen(), opinion, CONFIG), CONFIG)


def test_the_block_itemises_the_score() -> None:
    text = block(STRONG)
    assert text.startswith("ENTRY BTC/USDT decided 2024-01-01 00:00Z  score 7.0 (needs 6.0)")
    for line in (
        "RSI: 24.74  +2.0 pts",
        "BB lower: 67638.8  +2.0 pts",
        "Volume ratio: 2.29x  +0.0 pts",
        "Pattern: hammer  +1.0 pts",
        "Stoch K/D: 10.5/21.2  +0.0 pts",
        "ML Ensemble: 0.723 (STRONG_BUY) [VERY_HIGH] +2.0 pts",
    ):
        assert line in text


def test_the_block_says_when_there_was_no_opinion() -> None:
    assert "ML Ensemble: UNAVAILABLE (no bundle) +0.0 pts" in block(Unavailable("no bundle"))
    assert "ML Ensemble: not asked +0.0 pts" in block(None)


@pytest.mark.parametrize(
    "opinion",
    [
        None,
        Unavailable("drift: features; probability"),
        STRONG,
        replace(STRONG, left_out={"lstm": "gone; for good: really", "svm": "not finite"}),
        replace(STRONG, left_out={}, thresholds=Thresholds(0.8, 0.7, 0.6, 0.5)),
    ],
)
def test_an_opinion_comes_back_from_its_row(opinion: Opinion) -> None:
    row = journal_row(decide(seen(), opinion, CONFIG), Outcome.ORDERED)
    assert opinion_of(row) == opinion
    assert opinion_of(dict.fromkeys(("vote_x", "threshold_y")) | row) == opinion


def test_a_veto_is_one_line_that_names_the_protection() -> None:
    line = veto_line(decide(seen(), STRONG, CONFIG), "cooldown")
    assert line == "VETOED BTC/USDT decided 2024-01-01 00:00Z  score 7.0, by cooldown"


def test_a_row_holds_points_values_votes_and_who_was_left_out() -> None:
    row = journal_row(decide(seen(), STRONG, CONFIG), Outcome.ORDERED)
    assert row["score"] == row["technical_points"] + row["ml_points"] == 7.0
    assert (row["points_rsi"], row["points_volume"], row["rsi"]) == (2.0, 0.0, 24.74)
    assert (row["probability"], row["vote_svm"], row["ml"]) == (0.723, 0.7, "answered")
    assert row["ml_reason"] == "lstm: gone"


def test_a_row_says_why_there_was_no_opinion() -> None:
    row = journal_row(decide(seen(), Unavailable("no bundle"), CONFIG), Outcome.SCORE_BELOW)
    assert (row["ml"], row["ml_reason"]) == ("unavailable", "no bundle")


def test_a_row_holds_the_thresholds_that_came_with_the_bundle() -> None:
    fitted = replace(STRONG, thresholds=Thresholds(0.8, 0.7, 0.6, 0.5))
    rows = [journal_row(decide(seen(), each, CONFIG), Outcome.ORDERED) for each in (STRONG, fitted)]
    added = rows[1].keys() - rows[0].keys()
    assert {name: rows[1][name] for name in added} == {
        "threshold_strong": 0.8, "threshold_entry": 0.7, "threshold_weak": 0.6,
        "threshold_avoid": 0.5,
    }  # fmt: skip
    assert [row["ml_points"] for row in rows] == [2.0, 1.0]
