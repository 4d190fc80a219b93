"""No fault loses a bar or changes a decision; what is known of them stands in the document."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from feeds.standin.faults import Fault
from tests.reliability.cases import CASES, Case, Group
from tests.reliability.counting import cost_of
from tests.reliability.sessions import Try
from tests.reliability.table import CALM, TRIES, Bench, Pace, Row
from tests.world import World

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
QUICK = Pace(live=11, bar_seconds=1.6, side_by_side=14)


def assert_harmless(row: Row) -> None:
    case = row.case
    for cost in row.costs:
        said = f"{case.group} {case.name}: {cost}"
        assert cost.bars_lost == 0, said
        assert cost.decisions_changed == 0, said
        assert cost.fills_changed == 0, said
        assert cost.entries_missed == 0 or case.outage, said
        assert cost.revisions == case.revisions, said
        assert cost.reconnects >= case.reconnects, said
        answers = [fault for fault in case.faults if isinstance(fault, Fault)]
        assert cost.spoiled >= len(answers), said
        assert case.shows is None or any(case.shows in text for text in cost.seen), said


def tries_of(case: Case) -> list[Try]:
    """Return one try that is not the same for all cases."""
    return [TRIES[sum(case.name.encode()) % 3]]


def test_no_fault_of_a_representative_set_does_harm(world: World, tmp_path: Path) -> None:
    bench = Bench(QUICK, world, tmp_path)
    asked = [(case, tries_of(case)) for case in CASES if case.quick]
    rows = list(bench.rows(asked))
    assert {row.case.group for row in rows} == set(Group)
    for row in rows:
        assert_harmless(row)
    for calm in bench.undisturbed():
        assert len(calm.decisions) >= 8
        assert len(calm.fills) >= 3
        assert not any(moment.late or moment.offline for moment in calm.moments)


def test_the_count_sees_what_a_rule_that_believes_the_stream_loses(
    world: World, tmp_path: Path
) -> None:
    bench = Bench(Pace(live=8, bar_seconds=0.5, confirm="doubt"), world, tmp_path)
    (case,) = (case for case in CASES if case.name == "last push lost")
    ((cost,),) = (row.costs for row in bench.rows([(case, TRIES[:1])]))
    assert cost.bars_lost == 2, cost  # one of each symbol


def test_the_count_sees_each_decision_and_fill_that_differs(world: World, tmp_path: Path) -> None:
    bench = Bench(Pace(live=8, bar_seconds=0.5), world, tmp_path)
    (calm,) = (row.costs for row in bench.rows([(CALM, TRIES[:1])]))
    assert (calm[0].bars_lost, calm[0].decisions_changed, calm[0].fills_changed) == (0, 0, 0)
    (lived,) = bench.undisturbed()
    first, second, *others = lived.decisions
    altered = {**first, "score": first["score"] + 1.0}
    changed = replace(lived, decisions=[altered, *others], fills=lived.fills[1:])
    cost = cost_of(CALM, changed, lived)
    assert (cost.bars_lost, cost.decisions_changed, cost.fills_changed) == (0, 2, 1)
    assert any(str(second["decided_at"]) in text for text in cost.details)


@pytest.mark.slow
def test_no_fault_does_harm(world: World, tmp_path: Path) -> None:
    bench = Bench(Pace(), world, tmp_path)
    for row in bench.rows([(case, TRIES) for case in CASES]):
        assert_harmless(row)


def test_the_document_lists_the_cases_of_the_code_and_no_harm() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \| (\d+) \|", text, re.MULTILINE)
    assert [name for name, *_ in rows] == [case.name for case in CASES]
    for (_, *counts), case in zip(rows, CASES, strict=True):
        tried, lost, changed, missed = map(int, counts)
        assert (tried, lost, changed) == (len(TRIES), 0, 0), case.name
        assert missed == 0 or case.outage, case.name
