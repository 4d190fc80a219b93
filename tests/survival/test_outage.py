"""Bars that close while nobody watches: they are fetched, and what rested has acted."""

from pathlib import Path

from engine.paper.reading import StateReader
from engine.paper.records import PriceModel
from tests.survival.killing import assert_unharmed, survive
from tests.survival.process import Kill, When
from tests.survival.recording import Recording

OUTAGE = 7  # bars


def test_what_rested_fills_offline_and_entries_are_missed(plain: Recording, tmp_path: Path) -> None:
    part = plain.part(480, 24, 0.3)
    survived = survive(part, tmp_path, [Kill(When.FILL, 0.05)], "--outage", str(OUTAGE))
    assert_unharmed(survived)
    assert survived.held  # the first fill of all is an entry
    assert survived.found.offline == OUTAGE
    with StateReader.open(tmp_path / "session.sqlite") as reader:
        offline = {each.closed_at for each in reader.moments() if each.offline}
        fills, decisions = reader.fills(), reader.decisions()
    length = part.bars[0].timeframe.delta
    while_away = [each for each in fills if each.fill.filled_at + length in offline]
    assert while_away
    assert {each.model for each in while_away} == {PriceModel.OFFLINE}
    assert all(each.fill.units < 0 for each in while_away)
    outcomes = {row["outcome"] for row in decisions if row["decided_at"] in offline}
    assert "missed" in outcomes
    assert "ordered" not in outcomes
