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
        """Return what a person reads: what was traded at which costs, the tables, the folder."""
        tables = side_by_side(self.results, self.comparison)
        return "\n".join([*self._markets(), self._costs(), "", tables, f"kept in {self.run_dir}"])

    def _markets(self) -> list[str]:
        return [
            f"{symbol} {self.data['timeframe']}: {facts['bars']:,} bars, "
            f"{_minute(facts['start'])} to {_minute(facts['end'])}, "
            f"{facts['filled']:,} filled, {facts['segments']} segments"
            for symbol, facts in self.data["symbols"].items()
        ]

    def _costs(self) -> str:
        broker = self.results[0].config["broker"]
        return (
            f"cash {broker['cash']:,.0f}; fee {broker['fee']:.3%} a side, half spread "
            f"{broker['half_spread']:.3%} and slippage {broker['slippage']:.3%} "
            "on market and stop fills"
        )


def _minute(moment: str) -> str:
    """Return an ISO moment to the minute.

    >>> _minute("2024-01-01T00:00:00.000Z")
    '2024-01-01 00:00Z'
    """
    return f"{moment[:16].replace('T', ' ')}Z"
