"""The page shows the rules of a strategy of one's own: what each looked at, gave and is worth."""

import numpy as np

from engine.dashboard.decision_view import decision_view
from engine.dashboard.ledger import Ledger
from strategies.evidence import candidates, evidence_table
from strategies.journal import Outcome, journal_row
from strategies.scoring import decide
from tests.makers import make_bars
from tests.strategies.own import MINE, settings_of


def test_a_decision_opens_to_its_own_rules() -> None:
    config = settings_of(*MINE.split(":")).strategy
    bars = make_bars(1500, seed=3)
    table = evidence_table(bars, config)
    row = int(np.flatnonzero(candidates(table, config))[0])
    decision = decide(table.at(row), None, config)
    outcome = Outcome.IN_POSITION
    shown = decision_view(
        journal_row(decision, outcome), config.model_dump(mode="json"), Ledger(), {}
    )
    rules = {rule["name"]: rule for rule in shown["rules"]}
    assert list(rules) == ["dip", "uptrend", "busy", "hammer"]
    assert rules["dip"]["found"] == f"{table.values['found_dip'][row]:.6g}"
    assert [rule["worth"] for rule in rules.values()] == [2.0, 2.0, 1.0, 1.0]
    assert shown["score"] == sum(rule["points"] for rule in rules.values())
    assert (shown["needed"], shown["most"]) == (4.0, 8.0)
