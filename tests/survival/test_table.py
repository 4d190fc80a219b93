"""What the document says of processes is what is tried, and it has cost nothing."""

import re
from pathlib import Path

from tests.survival.faults import CASES
from tests.survival.table import KILLS, REHEARSALS, TRIES

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"


def test_the_document_lists_what_befalls_processes_and_no_harm() -> None:
    _, section = DOCUMENT.read_text(encoding="utf-8").split("## Processes\n")
    found = re.findall(r"^\| ([^|]+) \| (\d+) \| (\d+) \| (\d+) \|", section, re.MULTILINE)
    tried = {name: int(times) for name, times, *_ in found}
    assert [name for name, times in tried.items() if times == TRIES] == [c.name for c in CASES]
    assert len(tried) == len(CASES) + 3  # killed, also while it recovers and while bars close
    assert REHEARSALS * KILLS in tried.values()
    assert {harm for _, _, *counts in found for harm in counts} == {"0"}
