"""A row of the journal as the page shows it: each rule, each vote, why it came to its outcome."""

from collections.abc import Callable, Mapping
from typing import Any

from engine.dashboard.discreet import discreet
from engine.dashboard.ledger import Ledger
from engine.paper.columns import ms
from engine.plain import plain

Row = Mapping[str, Any]
Rules = Mapping[str, Any]  # the section `strategy` of the settings

TRADED = ("entered", "ordered")
VOTE, POINTS = "vote_", "points_"
FOUND = "found_"  # what a rule of a strategy of one's own looked at


def decision_view(row: Row, rules: Rules, ledger: Ledger, refused: Mapping[Any, str]) -> Row:
    """Return one candidate bar.

    Parameters
    ----------
    rules : the strategy's settings; what they do not say is left out
    refused : reasons of rejections by symbol and moment (ms)
    """
    symbol, decided_at = str(row["symbol"]), ms(row["decided_at"])
    outcome, why = _came_of(row, rules, ledger, refused.get((symbol, decided_at)))
    worth = rules.get("points", {})
    found: Row = plain(
        {
            "symbol": symbol,
            "decided_at": decided_at,
            "outcome": outcome,
            "why": discreet(why),
            "score": rounded(row.get("score")) or 0.0,
            "needed": rules.get("min_entry_score"),
            "most": _most(worth),
            "rules": [_rule(row, name, rules) for name in _named(row, POINTS)],
            "ml": _ensemble(row, rules),
        }
    )
    return found


def mark_view(row: Row, ledger: Ledger, refused: Mapping[Any, str]) -> Row:
    """Return what the chart shows of a decision; parameters as for `decision_view`."""
    symbol, decided_at = str(row["symbol"]), ms(row["decided_at"])
    outcome, _ = _came_of(row, {}, ledger, refused.get((symbol, decided_at)))
    return {
        "time": decided_at,
        "outcome": outcome,
        "traded": outcome in TRADED,
        "score": rounded(row.get("score")) or 0.0,
    }


def rounded(value: Any) -> float | None:
    """Return a number of points without the last digits that sums leave behind."""
    return None if value is None else round(float(value), 6)


def _came_of(row: Row, rules: Rules, ledger: Ledger, refusal: str | None) -> tuple[str, str]:
    """Return outcome and reason; a row says `ordered`, fills and rejections say what came of it."""
    outcome = str(row["outcome"])
    score = f"score {rounded(row.get('score')):g}, and an entry needs {_needed(rules)}"
    if outcome != "ordered":
        return outcome, _why(row, outcome, score)
    entry = ledger.entry(str(row["symbol"]), ms(row["decided_at"]))
    if entry is not None:
        return "entered", f"{score}; bought at {entry.fill.price:,.8g}"
    if refusal is not None:
        return "rejected", f"an order was made and came to nothing: {refusal}"
    return "ordered", f"{score}; the order waits"


def _why(row: Row, outcome: str, score: str) -> str:
    said: Mapping[str, Callable[[], str]] = {
        "score_below": lambda: score,
        "in_position": lambda: "a position was held, or an entry waited",
        "vetoed": lambda: f"the score sufficed; {row.get('veto')} stood in the way",
        "too_small": lambda: f"the score sufficed; nothing to buy: {row.get('shortfall')}",
        "missed": lambda: "the score sufficed; too late, the next bar had closed",
        "rejected": lambda: f"an order was made and came to nothing: {row.get('rejection')}",
    }
    return said.get(outcome, lambda: score)()


def _needed(rules: Rules) -> str:
    needed = rules.get("min_entry_score")
    return "more" if needed is None else f"{needed:g}"


def _most(worth: Mapping[str, float]) -> float:
    """Return the highest score that there is."""
    bonuses = [points for name, points in worth.items() if name.startswith("ml_")]
    return sum(p for name, p in worth.items() if not name.startswith("ml_")) + max(
        bonuses, default=0
    )


def _named(row: Row, prefix: str) -> list[str]:
    return [name.removeprefix(prefix) for name in row if name.startswith(prefix)]


def _rule(row: Row, name: str, rules: Rules) -> Row:
    found, asked = RULES.get(name, (_nothing, _nothing))
    if f"{FOUND}{name}" in row:
        found, asked = _shown(f"{FOUND}{name}", ".6g"), _nothing
    return {
        "name": name,
        "found": found(row, rules),
        "asked": asked(row, rules),
        "points": rounded(row[f"{POINTS}{name}"]),
        "worth": rules.get("points", {}).get(name),
    }


def _nothing(_row: Row, _rules: Rules) -> str | None:
    return None


def _shown(column: str, form: str) -> Callable[[Row, Rules], str | None]:
    """Return what shows a column of the row, if there is anything in it."""

    def show(row: Row, _rules: Rules) -> str | None:
        value = row.get(column)
        return None if value is None or value != value else format(value, form)  # noqa: PLR0124  NaN

    return show


def _asks(form: str) -> Callable[[Row, Rules], str | None]:
    """Return what fills in settings, and nothing where they are not known."""

    def ask(row: Row, rules: Rules) -> str | None:
        try:
            return form.format(row=row, rules=rules)
        except (KeyError, ValueError, TypeError):
            return None

    return ask


def _distance(row: Row, _rules: Rules) -> str | None:
    close, support = row.get("close"), row.get("support")
    return f"{abs(close - support) / support:.3%} away" if close and support else None


# By rule: what it found at the bar, and what it asks for.
RULES: Mapping[str, tuple[Callable[[Row, Rules], str | None], ...]] = {
    "rsi": (_shown("rsi", ".2f"), _asks("below {rules[rsi_oversold]:g}, mandatory")),
    "bollinger": (_shown("close", ".8g"), _asks("at most {row[bollinger_lower]:.8g}")),
    "volume": (_shown("volume_ratio", ".2f"), _asks("{rules[volume_ratio]:g} x its mean or more")),
    "pattern": (lambda row, _: str(row.get("pattern") or "none"), _asks("a bullish pattern")),
    "macd": (_shown("macd_rise", "+.4g"), _asks("above 0, the histogram's rise")),
    "stochastic": (_shown("stochastic_k", ".2f"), _asks("below {rules[stochastic_oversold]:g}")),
    "support": (
        _distance,
        _asks("within {rules[support_distance_percent]:g} % of {row[support]:.8g}"),
    ),
}


def _ensemble(row: Row, rules: Rules) -> Row:
    asked = str(row.get("ml", "not_asked"))
    votes = {name: row[f"{VOTE}{name}"] for name in _named(row, VOTE)}
    reason = row.get("ml_reason")
    said = asked.replace("_", " ")
    if asked == "answered":
        said = f"{row['probability']:.4f} {row['signal']} {row['confidence']}"
    return {
        "asked": asked,
        "said": said,
        "step": _step(row, rules) if asked == "answered" else None,
        "points": rounded(row.get("ml_points")) or 0.0,
        "probability": row.get("probability"),
        "votes": {name: vote for name, vote in votes.items() if vote is not None and vote == vote},  # noqa: PLR0124  NaN
        "reason": None if reason is None else discreet(str(reason)),
    }


# A probability this close below a threshold counts as reaching it, as for the strategy.
EPSILON = 1e-9

_STEPS = ("strong", "entry", "weak", "avoid")


def _step(row: Row, rules: Rules) -> str | None:
    """Return the step of thresholds that the probability stands on."""
    floors = [row.get(f"threshold_{n}") or rules.get(f"ml_{n}_threshold") for n in _STEPS]
    known = [floor for floor in floors if floor is not None]
    reached = [floor for floor in known if row["probability"] >= floor - EPSILON]
    if not known:
        return None
    return f"from {reached[0]:g} on" if reached else f"below {known[-1]:g}"
