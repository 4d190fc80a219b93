"""No fault loses a bar or changes a decision; what is known of them stands in the document."""

import re
from pathlib import Path

import pytest

from tests.reliability.cases import CASES, Case, Group
from tests.reliability.sessions import Try
from tests.reliability.table import TRIES, Bench, Pace, Row
from tests.world import World

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
QUICK = Pace(live=11, bar_seconds=1.6, side_by_side=12)


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
        assert len(calm.decisions) > QUICK.live
        assert len(calm.fills) > 5
        assert not any(moment.late or moment.offline for moment in calm.moments)


@pytest.mark.slow
def test_no_fault_does_harm(world: World, tmp_path: Path) -> None:
    bench = Bench(Pace(), world, tmp_path)
    for row in bench.rows([(case, TRIES) for case in CASES]):
        assert_harmless(row)


def test_the_document_lists_the_cases_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+) \| (\d+) \|", text, re.MULTILINE)
    assert [name for name, _ in rows] == [case.name for case in CASES]
    assert {tried for _, tried in rows} == {str(len(TRIES))}
