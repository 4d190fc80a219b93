"""What a session says of itself at its end."""

from pathlib import Path
from typing import Any

import pytest

from engine.jobs.live.report import PaperReport


def told(fills: dict[str, int]) -> str:
    facts: dict[str, Any] = {"place": "live", "bars": 12, "moments": 12, "offline": 0, "missed": 0}
    facts["fills"] = fills
    return PaperReport(None, facts, Path("paper.sqlite")).text()


@pytest.mark.parametrize(
    ("fills", "words"),
    [
        ({}, "no order filled"),
        ({"bar": 1234, "trade": 2}, "fills priced: 1,234 by bars, 2 by trades"),
        ({"offline": 1}, "fills priced: 1 by bars that closed offline"),
    ],
)
def test_how_fills_were_priced_is_said_in_words(fills: dict[str, int], words: str) -> None:
    assert words in told(fills)
