"""One candidate bar as the journal has it: rules against thresholds, the ensemble, the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from textwrap import fill
from typing import Any

from engine.jobs.settings import Settings
from engine.plain import plain
from engine.tables import UNDEFINED, WIDTH, formatted, rendered, table
from feeds.moments import parse_utc, readable
from ml.prediction import EPSILON, Thresholds
from strategies.config import CryptoScalpingConfig, HybridConfig
from strategies.errors import StrategyError
from strategies.journal import Outcome
from strategies.own_rules import SHOWN
from strategies.rule_books import rules_of
from strategies.scalping_rules import RULES
from strategies.scoring import floors_of

Row = Mapping[str, Any]

_POINTS = "points_"


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """One rule at one bar.

    Attributes
    ----------
    value : what it looked at
    asked : what must hold
    points : that it gave, of `worth`
    """

    rule: str
    value: str
    asked: str
    points: float
    worth: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate:
    """A candidate bar of one run.

    Attributes
    ----------
    row : of the journal; what is undefined is None
    trade : that came of it, if one did
    held : the trade that was open at the bar, if the outcome is `in_position`
    """

    row: Row
    settings: Settings
    trade: Row | None
    held: Row | None

    def to_json(self) -> dict[str, Any]:
        """Return the decision in JSON's own types."""
        row, needed = self.row, self.settings.strategy.min_entry_score
        found: dict[str, Any] = plain(
            {
                "candidate": True,
                "outcome": row["outcome"],
                "why": self.why(),
                "score": row["score"],
                "needed": needed,
                "rules": [
                    {name: getattr(seen, name) for name in RuleSeen.__slots__}
                    for seen in rules_seen(row, self.settings)
                ],
                "failed": [seen.rule for seen in rules_seen(row, self.settings) if not seen.points],
                "ml": self._ml(),
                "trade": self.trade,
                "values": row,
            }
        )
        return found

    def _ml(self) -> dict[str, Any]:
        names = ("probability", "signal", "confidence", "ml_reason")
        return {
            "asked": self.row["ml"],
            **{name: self.row.get(name) for name in names},
            "votes": votes(self.row),
            "points": self.row["ml_points"],
        }

    def why(self) -> str:
        """Return in a sentence why it came to its outcome."""
        row, needed = self.row, self.settings.strategy.min_entry_score
        since = "" if self.held is None else f", entered {_told(self.held['decided_at'])}"
        return {
            Outcome.ENTERED: f"score {row['score']:g}, and an entry needs {needed:g}",
            Outcome.SCORE_BELOW: f"score {row['score']:g}, and an entry needs {needed:g}",
            Outcome.IN_POSITION: f"a position was held, or an entry waited{since}",
            Outcome.VETOED: f"the score sufficed; {row.get('veto')} stood in the way",
            Outcome.MISSED: "the score sufficed; it was too late to buy at the next open",
            Outcome.TOO_SMALL: f"the score sufficed; nothing to buy: {row.get('shortfall')}",
            Outcome.REJECTED: f"an order was made and came to nothing: {row.get('rejection')}",
            Outcome.ORDERED: "an order was made, and the run ended before it could fill",
        }[Outcome(row["outcome"])]

    def text(self, stamps: str) -> str:
        """Return the decision for people."""
        shown = table("Rule", "Found", "Must be", "Points", "of")
        for seen in rules_seen(self.row, self.settings):
            points = f"{seen.points:+g}" if seen.points else UNDEFINED
            shown.add_row(seen.rule, seen.value, seen.asked, points, f"{seen.worth:g}")
        shown.add_row("ensemble", *_ensemble_cells(self.row, self.settings))
        needed = self.settings.strategy.min_entry_score
        shown.add_row("score", "", f"{needed:g} or more", f"{self.row['score']:g}", "")
        return "\n".join([f"{stamps}{rendered(shown)}", *self._end()])

    def _end(self) -> Iterator[str]:
        yield f"{outcome_words(self.row['outcome'])}: {self.why()}"
        if self.row["ml"] != "not_asked":
            said = ", ".join(f"{name} {vote:.3f}" for name, vote in votes(self.row).items())
            yield f"votes: {said or 'none'}{_reason(self.row)}"
        if self.row.get("shortfall"):
            yield f"not bought: {self.row['missing_units']:g} units ({self.row['shortfall']})"
        if self.trade is not None:
            yield trade_line(self.trade)


def outcome_words(outcome: str) -> str:
    """Return an outcome for people.

    >>> outcome_words("score_below")
    'score below'
    """
    return outcome.replace("_", " ")


def _told(moment: str) -> str:
    return readable(parse_utc(moment))


def trade_line(trade: Row) -> str:
    """Return what a trade was and came to."""
    return fill(
        f"bought {trade['units']:g} at {trade['entry_price']:.8g} in the bar of "
        f"{_told(trade['opened_at'])}, left at {trade['exit_price']:.8g} in the bar of "
        f"{_told(trade['closed_at'])} by {trade['exit_reason'].replace('_', ' ')}: "
        f"{trade['pnl']:+,.2f}, "
        f"{trade['return']:+.3%} of the money put in",
        WIDTH,
    )


def votes(row: Row) -> dict[str, float]:
    """Return what each member that answered said."""
    named = {name.removeprefix("vote_"): row[name] for name in row if name.startswith("vote_")}
    return {name: vote for name, vote in named.items() if vote is not None}


def rules_seen(row: Row, settings: Settings) -> Sequence[RuleSeen]:
    """Return every rule with what it looked at, what it asks and what it gave."""
    strategy = settings.strategy
    if isinstance(strategy, CryptoScalpingConfig):
        names: Sequence[str] = RULES
        found, asked = _found(row), _asked(row, strategy)
    else:
        names = [name.removeprefix(_POINTS) for name in row if name.startswith(_POINTS)]
        found, asked = _found_by_own(row, names), _asked_by_own(strategy, names)
    points = strategy.points
    return [
        RuleSeen(rule, found[rule], asked[rule], row[f"{_POINTS}{rule}"], points.of(rule))
        for rule in names
    ]


def _found_by_own(row: Row, names: Sequence[str]) -> dict[str, str]:
    """Return what each rule says that it looked at, else whether it speaks for an entry."""
    shown = {name: row.get(f"{SHOWN}{name}") for name in names}
    said = {name: "yes" if row[f"{_POINTS}{name}"] else "no" for name in names}
    return {k: said[k] if value is None else f"{value:.6g}" for k, value in shown.items()}


def _asked_by_own(strategy: HybridConfig, names: Sequence[str]) -> dict[str, str]:
    """Return which rules are mandatory, as far as the strategy's file can still tell."""
    try:
        mandatory = rules_of(strategy).mandatory
    except StrategyError:
        mandatory = ()
    return {name: "mandatory" if name in mandatory else "" for name in names}


def _found(row: Row) -> dict[str, str]:
    support = None
    if row["support"] is not None:
        support = abs(row["close"] - row["support"]) / row["support"]
    return {
        "rsi": formatted(row["rsi"], ".2f"),
        "bollinger": formatted(row["close"], ".8g"),
        "volume": formatted(row["volume_ratio"], ".2f"),
        "pattern": str(row.get("pattern") or "none"),
        "macd": formatted(row["macd_rise"], "+.4g"),
        "stochastic": formatted(row["stochastic_k"], ".2f"),
        "support": formatted(support, ".3%"),
    }


def _asked(row: Row, rules: CryptoScalpingConfig) -> dict[str, str]:
    return {
        "rsi": f"below {rules.rsi_oversold:g}, mandatory",
        "bollinger": f"at most {formatted(row['bollinger_lower'], '.8g')}",
        "volume": f"at least {rules.volume_ratio:g} x its mean",
        "pattern": "a bullish pattern",
        "macd": "above 0, the histogram's rise",
        "stochastic": f"below {rules.stochastic_oversold:g}",
        "support": f"within {rules.support_distance_percent / 100:.3%} of {row['support']:.8g}"
        if row["support"] is not None
        else "near the support",
    }


def _ensemble_cells(row: Row, settings: Settings) -> tuple[str, str, str, str]:
    if row["ml"] != "answered":
        return str(row["ml"]).replace("_", " "), "", UNDEFINED, ""
    found = f"{row['probability']:.4f} {row['signal']} {row['confidence']}"
    points = settings.strategy.points
    return found, _step(row, settings), f"{row['ml_points']:+g}", f"{points.largest_bonus:g}"


def _step(row: Row, settings: Settings) -> str:
    """Return the step of thresholds that the probability stands on."""
    floors = floors_of(_fitted(row), settings.strategy)
    reached = [floor for floor in floors if row["probability"] >= floor - EPSILON]
    return f"from {reached[0]:g} on" if reached else f"below {floors[-1]:g}"


def _fitted(row: Row) -> Thresholds | None:
    """Return the thresholds that were fitted with the bundle, if they were."""
    if row.get("threshold_strong") is None:
        return None
    return Thresholds(**{each.name: row[f"threshold_{each.name}"] for each in fields(Thresholds)})


def _reason(row: Row) -> str:
    return f" ({row['ml_reason']})" if row.get("ml_reason") else ""
