"""The decision journal: a row for every candidate bar, and the block that the log shows."""

import re
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any

from feeds.moments import readable
from ml.prediction import Confidence, Prediction, Signal, Thresholds, Unavailable
from strategies.config import HybridConfig
from strategies.rule_books import rules_of
from strategies.scoring import Decision, Opinion

# Where the reason of the next member begins in a row's `ml_reason`.
_LEFT_OUT = re.compile(r"; (?=[a-z][a-z0-9_]*: )")


class Outcome(StrEnum):
    """What became of a candidate bar.

    The strategy writes ORDERED; when the run is over that is ENTERED if a trade came of it,
    REJECTED if the order was refused. TOO_SMALL is an entry of which nothing could be bought,
    VETOED one that a protection stopped, MISSED one that was decided too late to be made; none of
    these was sent.
    """

    ORDERED = "ordered"
    ENTERED = "entered"
    REJECTED = "rejected"
    SCORE_BELOW = "score_below"
    IN_POSITION = "in_position"
    TOO_SMALL = "too_small"
    VETOED = "vetoed"
    MISSED = "missed"


def journal_row(decision: Decision, outcome: Outcome) -> dict[str, Any]:
    """Return the decision as one flat row."""
    evidence, score = decision.evidence, decision.score
    return {
        "symbol": evidence.symbol,
        "decided_at": evidence.decided_at,
        "outcome": str(outcome),
        "score": score.total,
        "technical_points": score.technical,
        "ml_points": score.ml,
        **{f"points_{rule}": points for rule, points in score.items.items()},
        **evidence.values,
        "pattern": evidence.pattern,
        **_opinion_columns(decision.opinion),
    }


def _opinion_columns(opinion: Opinion) -> dict[str, Any]:
    match opinion:
        case None:
            return {"ml": "not_asked"}
        case Unavailable(reason=reason):
            return {"ml": "unavailable", "ml_reason": reason}
        case Prediction():
            return {
                "ml": "answered",
                "probability": opinion.probability,
                "signal": str(opinion.signal),
                "confidence": str(opinion.confidence),
                **{f"vote_{name}": vote for name, vote in opinion.votes.items()},
                "ml_reason": "; ".join(f"{k}: {v}" for k, v in opinion.left_out.items()) or None,
                **_fitted_columns(opinion.thresholds),
            }


def opinion_of(row: Mapping[str, Any]) -> Opinion:
    """Return the opinion that a row was written of; columns of others may be None."""
    match row["ml"]:
        case "not_asked":
            return None
        case "unavailable":
            return Unavailable(row["ml_reason"])
        case _:
            reasons = _LEFT_OUT.split(row.get("ml_reason") or "")
            return Prediction(
                probability=row["probability"],
                signal=Signal(row["signal"]),
                confidence=Confidence(row["confidence"]),
                votes=_columns(row, "vote_"),
                left_out=dict(reason.split(": ", 1) for reason in reasons if reason),
                thresholds=_thresholds_of(row),
            )


def _thresholds_of(row: Mapping[str, Any]) -> Thresholds | None:
    fitted = _columns(row, "threshold_")
    return Thresholds(**fitted) if fitted else None


def _columns(row: Mapping[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): value
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }


def _fitted_columns(fitted: Thresholds | None) -> dict[str, float]:
    """Return the thresholds that came with the bundle; nothing where the configured ones hold."""
    names = () if fitted is None else fields(fitted)
    return {f"threshold_{each.name}": getattr(fitted, each.name) for each in names}


def entry_block(decision: Decision, config: HybridConfig) -> str:
    """Return the lines that the log prints on an entry."""
    evidence, score = decision.evidence, decision.score
    facts = rules_of(config).facts(evidence.values, evidence.holds, evidence.pattern)
    return "\n".join(
        [
            f"ENTRY {evidence.symbol} decided {readable(evidence.decided_at)}  "
            f"score {score.total:.1f} (needs {config.min_entry_score:.1f})",
            f"  Price: {evidence.values['close']:.8g}",
            *(f"  {f.label}: {f.value}  {score.items[f.rule]:+.1f} pts" for f in facts),
            f"  ML Ensemble: {opinion_text(decision.opinion)} {score.ml:+.1f} pts",
        ]
    )


def veto_line(decision: Decision, veto: str) -> str:
    """Return the line that the log prints when a protection stops an entry."""
    evidence = decision.evidence
    return (
        f"VETOED {evidence.symbol} decided {readable(evidence.decided_at)}  "
        f"score {decision.score.total:.1f}, by {veto}"
    )


def opinion_text(opinion: Opinion) -> str:
    """Return in a few words what the ensemble said, or why it did not."""
    match opinion:
        case None:
            return "not asked"
        case Unavailable(reason=reason):
            return f"UNAVAILABLE ({reason})"
        case Prediction():
            return f"{opinion.probability:.3f} ({opinion.signal}) [{opinion.confidence}]"
