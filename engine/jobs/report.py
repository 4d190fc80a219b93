"""What a run command answers with: results, comparison, and where they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.report import side_by_side
from engine.result import RunResult, to_json


@dataclass(frozen=True, slots=True, eq=False)
class RunReport:
    """One or two results on the same bars."""

    results: Sequence[RunResult]
    comparison: Mapping[str, Any] | None
    data: Mapping[str, Any]
    run_dir: Path

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return to_json(self.results, self.comparison, self.data, self.run_dir)

    def text(self) -> str:
        """Return the tables that a person reads."""
        return f"{side_by_side(self.results, self.comparison)}\nkept in {self.run_dir}"
